// SPDX-License-Identifier: Apache-2.0
#include "session/snapshot_taker.h"

#include "report/target_memory.h"
#include "version.h"

#include <algorithm>
#include <iterator>

namespace leakbpf {

namespace {

Overhead overhead_of(const TracingCost& cost) {
  Overhead overhead;
  overhead.probe_hits = static_cast<std::uint64_t>(cost.hits);
  overhead.percent_of_one_core = 100 * cost.share;
  overhead.duty_cycle = cost.duty;
  overhead.present_percent_of_one_core = 100 * cost.present_share;
  return overhead;
}

} // namespace

RawSnapshot SnapshotTaker::take() const {
  RawSnapshot raw = moment();
  for (const auto& [id, target] : of_.targets)
    raw.targets.emplace(id, raw_target(target));
  raw.head = head(raw.counted);
  for (const HeapWindows::Index group : of_.probes.groups())
    raw.group_costs.emplace(group, overhead_of(of_.windows.cost(group)));
  return raw;
}

RawSnapshot SnapshotTaker::take_of(const std::set<std::uint32_t>& targets) const {
  RawSnapshot raw = moment();
  for (const std::uint32_t id : targets)
    raw.targets.emplace(id, raw_target(of_.targets.at(id)));
  return raw;
}

/// All but targets, and what is shown of the run as a whole.
RawSnapshot SnapshotTaker::moment() const {
  RawSnapshot raw;
  raw.now = clock_();
  raw.is_last = frozen_;
  raw.by_pages = of_.options.kernel.pages;
  raw.counted = counters();
  raw.all_followed = of_.options.kernel.min_size == 0 && of_.options.kernel.max_size == ~0ULL &&
                     raw.counted.losses[LEAKBPF_LOSS_LIVE_TABLE_FULL] == 0;
  raw.allocated_count = allocated_count();
  raw.survival_age = of_.scanner.survival_age();
  return raw;
}

RawTarget SnapshotTaker::raw_target(const TargetState& target) const {
  RawTarget raw;
  raw.id = target.id;
  raw.since = target.since;
  raw.until = target.ended ? target.ended->at_seconds : clock_();
  raw.asked_for = target.asked_for;
  raw.window = target.window;
  raw.maps_blocks = of_.probes.maps_blocks(target);
  raw.has_rows_of_pages = of_.scanner.has_rows_of_pages(target);
  raw.pages_since = target.pages_since;
  if (!target.window.limited && !of_.options.kernel.pages) { // else no sum can be made
    const leakbpf_activity now = of_.counts.activity(target.id);
    raw.net_blocks = static_cast<double>(now.allocations - target.before.allocations) -
                     static_cast<double>(now.frees - target.before.frees);
  }
  if (target.small_objects)
    raw.python_pools = target.small_objects->pool_bytes;
  raw.room = of_.rooms.growth(target.id);
  if (target.limit)
    raw.limit = limit_use(*target.limit, target.rss_now);
  raw.report = target_report(target);
  return raw;
}

TargetReport SnapshotTaker::target_report(const TargetState& target) const {
  TargetReport report = describe_process(target.process);
  report.ended = target.ended;
  report.rss_start_bytes = target.rss_start;
  report.rss_end_bytes = target.rss_now;
  report.python = python_report(target);
  if (target.asked_for && !of_.windows.is_sharing(target.group))
    report.overhead = overhead_of(of_.windows.cost(target.group));
  return report;
}

std::optional<PythonReport> SnapshotTaker::python_report(const TargetState& target) const {
  const PythonSearch& python = target.python;
  if (!python.version && python.problem.empty())
    return std::nullopt;
  PythonReport report;
  report.version = python.version ? to_string(*python.version) : "";
  report.problem = python.problem;
  if (const auto& heap = target.small_objects)
    report.small_objects = {heap->arenas, heap->arena_bytes, heap->pools, heap->pool_bytes,
                            heap->live_bytes};
  if (target.python_collector) {
    const auto found = target.collections ? target.collections : of_.counts.collections(target.id);
    const auto done = found.value_or(leakbpf_collections{});
    report.collections = {done.count, static_cast<double>(done.total_ns) / 1e9,
                          static_cast<double>(done.longest_ns) / 1e9};
  }
  return report;
}

/// Allocations that were seen, of all targets there ever were.
double SnapshotTaker::allocated_count() const {
  auto seen = static_cast<double>(of_.ended.allocated_count());
  for (const auto& [key, site] : of_.ledger.sites())
    seen += static_cast<double>(site.totals.allocated_count);
  return seen;
}

/// What the kernel side counted, with what was lost in user space.
leakbpf_counters SnapshotTaker::counters() const {
  leakbpf_counters counters = of_.counts.read_counters();
  std::transform(std::begin(counters.losses), std::end(counters.losses), of_.losses.begin(),
                 std::begin(counters.losses), std::plus<>());
  counters.losses[LEAKBPF_LOSS_EVENTS_DROPPED] += of_.windows.unseen_mapping_calls();
  return counters;
}

Report SnapshotTaker::head(const leakbpf_counters& counted) const {
  Report report;
  report.version = version;
  report.host = host_report();
  report.started_at = started_at_;
  report.duration_seconds = clock_();
  report.backend = backend_name(of_.backend);
  std::copy(std::begin(counted.losses), std::end(counted.losses), report.losses.begin());
  report.losses[LEAKBPF_LOSS_PYTHON_CODE] = of_.namer.unreadable_python();
  report.losses[LEAKBPF_LOSS_HEAP_UNREAD] = of_.holders.unread();
  fill_cost(report);
  return report;
}

/// Of all groups together; the duty cycle is that of the average one.
void SnapshotTaker::fill_cost(Report& report) const {
  report.sampling = {of_.options.limits.mean_bytes, of_.options.limits.mean_bytes <= 1};
  TracingCost all{};
  all.duty = 0;
  for (const HeapWindows::Index group : of_.probes.groups()) {
    const TracingCost cost = of_.windows.cost(group);
    all.share += cost.share;
    all.present_share += cost.present_share;
    all.duty += cost.duty / static_cast<double>(of_.probes.groups().size());
    report.sampling.exact = report.sampling.exact && !of_.windows.state(group).limited;
  }
  all.duty = std::min(all.duty, 1.0);
  report.overhead = overhead_of(all);
  report.overhead.probe_hits = of_.counts.total_activity().hits;
}

} // namespace leakbpf
