// SPDX-License-Identifier: Apache-2.0
#include "session/pages_on_demand.h"

#include "target/kernel_file.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// A page fault may bring 2 MB to any process.
bool has_huge_pages() {
  const auto enabled = read_kernel_file("/sys/kernel/mm/transparent_hugepage/enabled");
  return enabled && enabled->find("[always]") != std::string::npos;
}

/// A small heap is soon looked through, though allocations account for the growth: they may take
/// the place of others.
bool is_growing_small(const TargetState& target, const GrowthAccount& account) {
  constexpr std::uint64_t most_resident = 256 << 20; // bytes
  return account.anonymous && account.anonymous->sustained() &&
         target.rss_now.value_or(~0ULL) <= most_resident;
}

void warn_of_huge_pages(const TraceOptions& options) {
  if (has_huge_pages())
    options.warn("transparent huge pages are on: rows of kind pages undercount memory that was "
                 "taken in large pieces");
}

} // namespace

/// Without page faults the other kinds can be followed, when there are any.
Result<void> PagesOnDemand::follow_asked(TargetControl& control, TraceOptions& options) {
  if (!options.kernel.pages)
    return {};
  warn_of_huge_pages(options);
  auto followed = control.follow_page_faults();
  const bool others = options.kernel.heap || options.kernel.mmap || options.kernel.brk;
  if (followed || !others)
    return followed;
  options.kernel.pages = false;
  options.warn(followed.error().message + ": rows of kind pages are missing");
  return {};
}

/// Would it cost no target more than half of what it may to follow the page faults of all?
bool PagesOnDemand::can_afford(double now) const {
  constexpr double fault_seconds = 0.5e-6; // that each takes longer (docs/how-it-works.md)
  if (of_.options.limits.per_target <= 0)  // no limit
    return true;
  return std::all_of(of_.targets.begin(), of_.targets.end(), [&](const auto& each) {
    const TargetState& target = each.second;
    const auto stat = target.alive() ? of_.proc.stat(target.process.pid) : ProcessStat{};
    if (!stat)
      return true; // it has ended
    const auto faults = static_cast<double>(
        stat->page_faults - std::min(stat->page_faults, target.process.page_faults));
    return faults / std::max(now - target.since, 1.0) * fault_seconds <=
           of_.options.limits.per_target / 2;
  });
}

/// Where all blocks are glibc's: of a heap of others nothing could be told.
void PagesOnDemand::look_for_room(const TargetState& target, double now) {
  if (of_.attachments.uses_only_glibc(target.process.pid))
    of_.rooms.follow(target.id, target.process, now);
}

/// Pages are turned to once: a target that grows by what was allocated later has rows of that.
void PagesOnDemand::look(TargetState& target, double now, std::uint64_t outstanding_bytes) {
  constexpr double between_looks = 2;
  if (now < target.next_account)
    return;
  target.next_account = now + between_looks;
  // Before there are some windows nothing is known of what was allocated.
  constexpr std::uint64_t enough_windows = 4;
  const WindowState& window = target.window;
  if (window.unfinished || (window.limited && window.ended < enough_windows))
    return;
  const auto trend = [&](TargetSeries which) {
    return of_.growth.target_trend(target.id, which, target.since);
  };
  const GrowthAccount account{now - target.since, trend(TargetSeries::anonymous),
                              static_cast<double>(outstanding_bytes), window.limited,
                              trend(TargetSeries::outstanding)};
  if (may_be_unexplained(account) || is_growing_small(target, account))
    look_for_room(target, now);
  if (!of_.options.kernel.pages_on_demand || target.pages_since ||
      !target.unexplained.is_shown_by(account) || !turn(now) ||
      !of_.control.follow_pages_of(target.process.pid))
    return;
  target.pages_since = now;
  of_.options.inform(fmt::format("{} ({}) grows, and allocations do not account for it: its page "
                                 "faults are traced from now on",
                                 target.process.comm, target.process.pid));
}

/// False where page faults cannot be followed, or cost too much: that is looked at again later.
bool PagesOnDemand::turn(double now) {
  constexpr double between_tries = 30;
  if (sees_faults_)
    return true;
  if (now < next_try_)
    return false;
  next_try_ = now + between_tries;
  if (!can_afford(now))
    return false;
  const auto followed = of_.control.follow_page_faults();
  if (!followed) {
    of_.options.kernel.pages_on_demand = false;
    of_.options.warn(followed.error().message + ": cannot tell who touches the memory");
    return false;
  }
  warn_of_huge_pages(of_.options);
  sees_faults_ = true;
  return true;
}

} // namespace leakbpf
