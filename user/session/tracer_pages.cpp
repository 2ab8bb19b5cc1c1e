// SPDX-License-Identifier: Apache-2.0
// Pages in a Tracer: followed from the start where that is asked for, else from when a target grows
// by memory that no allocation accounts for.
#include "base/clocks.h"
#include "session/tracer.h"
#include "target/kernel_file.h"
#include "target/page_presence.h"

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
Result<void> Tracer::follow_asked_pages(KernelSide& kernel, TraceOptions& options) {
  if (!options.kernel.pages)
    return {};
  warn_of_huge_pages(options);
  auto followed = kernel.follow_page_faults();
  const bool others = options.kernel.heap || options.kernel.mmap || options.kernel.brk;
  if (followed || !others)
    return followed;
  options.kernel.pages = false;
  options.warn(followed.error().message + ": rows of kind pages are missing");
  return {};
}

/// Would it cost no target more than half of what it may to follow the page faults of all?
bool Tracer::can_afford_pages(double now) const {
  constexpr double fault_seconds = 0.5e-6; // that each takes longer (docs/how-it-works.md)
  if (options_.limits.per_target <= 0)     // no limit
    return true;
  return std::all_of(targets_.begin(), targets_.end(), [&](const auto& each) {
    const TargetState& target = each.second;
    const auto stat = target.alive() ? proc_.stat(target.process.pid) : ProcessStat{};
    if (!stat)
      return true; // it has ended
    const auto faults = static_cast<double>(
        stat->page_faults - std::min(stat->page_faults, target.process.page_faults));
    return faults / std::max(now - target.since, 1.0) * fault_seconds <=
           options_.limits.per_target / 2;
  });
}

/// Where all blocks are glibc's: of a heap of others nothing could be told.
void Tracer::look_for_room(const TargetState& target, double now) {
  if (attachments_.uses_only_glibc(target.process.pid))
    rooms_.follow(target.id, target.process, now);
}

/// Pages are turned to once: a target that grows by what was allocated later has rows of that.
void Tracer::look_for_unexplained(TargetState& target, double now,
                                  std::uint64_t outstanding_bytes) {
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
    return growth_.target_trend(target.id, which, target.since);
  };
  const GrowthAccount account{now - target.since, trend(TargetSeries::anonymous),
                              static_cast<double>(outstanding_bytes), window.limited,
                              trend(TargetSeries::outstanding)};
  if (may_be_unexplained(account) || is_growing_small(target, account))
    look_for_room(target, now);
  if (!options_.kernel.pages_on_demand || target.pages_since ||
      !target.unexplained.is_shown_by(account) || !turn_to_pages(now) ||
      !kernel_.follow_pages_of(target.process.pid))
    return;
  target.pages_since = now;
  options_.inform(fmt::format("{} ({}) grows, and allocations do not account for it: its page "
                              "faults are traced from now on",
                              target.process.comm, target.process.pid));
}

/// False where page faults cannot be followed, or cost too much: that is looked at again later.
bool Tracer::turn_to_pages(double now) {
  constexpr double between_tries = 30;
  if (sees_page_faults_)
    return true;
  if (now < next_pages_try_)
    return false;
  next_pages_try_ = now + between_tries;
  if (!can_afford_pages(now))
    return false;
  const auto followed = kernel_.follow_page_faults();
  if (!followed) {
    options_.kernel.pages_on_demand = false;
    options_.warn(followed.error().message + ": cannot tell who touches the memory");
    return false;
  }
  warn_of_huge_pages(options_);
  sees_page_faults_ = true;
  return true;
}

bool Tracer::has_rows_of_pages(const TargetState& target) const {
  return options_.kernel.pages || target.pages_since;
}

/// Pages that were turned to have rows only where the others do not show the growth.
void Tracer::drop_explained_pages(std::vector<SiteReport>& sites) {
  if (options_.kernel.pages || !sees_page_faults_)
    return;
  std::erase_if(sites, [this](const SiteReport& site) {
    const auto evidence = evidence_.find(site.key.target);
    return site.key.kind == LEAKBPF_KIND_PAGES &&
           (evidence == evidence_.end() || !needs_pages(evidence->second));
  });
}

/// The kernel gives no sign when pages go. Files' pages are forgotten too. What is left in `pages`
/// is still there.
void Tracer::forget_lost_pages(const TargetState& target, std::vector<OutstandingBlock>& pages) {
  constexpr std::uint64_t fault_ns = 10'000'000; // may last so long, and the page is not there yet
  const std::uint64_t now = monotonic_ns();
  std::vector<std::uint64_t> addresses;
  addresses.reserve(pages.size());
  for (const OutstandingBlock& page : pages)
    addresses.push_back(page.place.address);
  const auto own = own_pages(proc_.path(target.process.pid, "pagemap"), addresses);
  if (!own || !is_same_image(target))
    return;
  std::vector<OutstandingBlock> there;
  for (std::size_t i = 0; i < pages.size(); i++) {
    if ((*own)[i] || age_at(now, pages[i].block.time_ns) < fault_ns)
      there.push_back(pages[i]);
    else
      give_back(pages[i]);
  }
  pages = std::move(there);
}

} // namespace leakbpf
