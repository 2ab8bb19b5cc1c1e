// SPDX-License-Identifier: Apache-2.0
#include "session/target_state.h"

#include <cstring>

#include <fmt/format.h>
#include <sys/wait.h>

namespace leakbpf {

bool is_process_of(const ProcessInfo& process, const Result<ProcessStat>& stat) {
  if (!stat)
    return stat.error().code != ExitCode::no_target;
  return !stat->has_ended() && stat->start_ticks == process.start_ticks;
}

bool is_image_of(const ProcessInfo& process, const Result<ProcessStat>& stat) {
  const bool hidden = !stat || stat->state == 'Z'; // its main thread has no memory any more
  return hidden || process.start_stack == 0 || stat->start_stack == process.start_stack;
}

void start_range_map(TargetState& target) {
  const auto site = [&target](const RangeOwner& owner) -> SiteTotals& {
    return target.range_sites[{target.id, owner.kind, owner.stack_hash}];
  };
  target.ranges = std::make_unique<RangeMap>(
      RangeMap::Observer{[site](const RangeOwner& owner, std::uint64_t bytes) {
                           SiteTotals& totals = site(owner);
                           totals.allocated_bytes += bytes;
                           totals.allocated_count++;
                         },
                         [site](const RangeOwner& owner, std::uint64_t bytes, std::uint64_t count) {
                           SiteTotals& totals = site(owner);
                           totals.freed_bytes += bytes;
                           totals.freed_count += count;
                         }});
}

std::string describe_wait_status(std::uint32_t status) {
  const auto word = static_cast<int>(status);
  if (WIFSIGNALED(word))
    return fmt::format("killed by signal {} ({})", WTERMSIG(word), strsignal(WTERMSIG(word)));
  return fmt::format("exited with {}", WEXITSTATUS(word));
}

} // namespace leakbpf
