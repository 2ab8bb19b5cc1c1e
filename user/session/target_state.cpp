// SPDX-License-Identifier: Apache-2.0
#include "session/target_state.h"

#include <cstring>

#include <fmt/format.h>
#include <sys/wait.h>

namespace leakbpf {

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
