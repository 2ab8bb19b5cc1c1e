// SPDX-License-Identifier: Apache-2.0
#include "report/target_memory.h"

#include <algorithm>

#include <sys/utsname.h>
#include <unistd.h>

namespace leakbpf {

void put_memory(GrowthRecord& record, std::uint32_t target, const MemoryUsage& usage,
                bool after_gap, HistoryPoint& point) {
  const auto put = [&](TargetSeries which, std::uint64_t bytes) {
    if (after_gap)
      record.put_target_after_gap(target, which, static_cast<double>(bytes));
    else
      record.put_target(target, which, static_cast<double>(bytes));
    return bytes;
  };
  put(TargetSeries::memory, usage.rss + usage.swap);
  put(TargetSeries::anonymous, usage.anonymous + usage.swap);
  point.anonymous_bytes = usage.anonymous;
  point.file_bytes = put(TargetSeries::file, usage.file);
  point.shared_bytes = put(TargetSeries::shared, usage.shared);
  point.swap_bytes = put(TargetSeries::swapped, usage.swap);
}

void read_memory_trends(const GrowthRecord& record, std::uint32_t target, double since,
                        TargetEvidence& evidence) {
  const auto trend = [&](TargetSeries which) { return record.target_trend(target, which, since); };
  evidence.memory = trend(TargetSeries::memory);
  evidence.anonymous = trend(TargetSeries::anonymous);
  evidence.file = trend(TargetSeries::file);
  evidence.shared = trend(TargetSeries::shared);
  evidence.swapped = trend(TargetSeries::swapped);
}

LimitUse limit_use(const LimitState& state, std::optional<std::uint64_t> resident) {
  const bool own = state.limit.source == ram_source;
  return {state.limit, static_cast<double>(own ? resident.value_or(0) : state.used),
          static_cast<double>(state.left)};
}

void MemoryHistory::end_sample(std::size_t targets) {
  constexpr std::size_t most_points = 4096;
  constexpr std::size_t fewest_histories = 4;
  constexpr std::size_t most_histories = 16;
  if (points_.size() > most_points * std::clamp(targets, fewest_histories, most_histories))
    thin();
}

/// Drops every other time, with all targets of it.
void MemoryHistory::thin() {
  std::size_t kept = 0;
  double last = -1;
  bool on = false;
  for (const HistoryPoint& point : points_) {
    on = point.t_seconds == last ? on : !on;
    last = point.t_seconds;
    if (on)
      points_[kept++] = point;
  }
  points_.resize(kept);
  stride_ *= 2;
}

TargetReport describe_process(const ProcessInfo& process) {
  TargetReport row;
  row.pid = process.pid;
  row.ppid = process.ppid;
  row.comm = process.comm;
  row.command_line = process.command_line;
  row.executable = process.executable;
  row.cgroup = process.cgroup;
  row.container = process.container;
  row.namespaced_pid = process.namespaced_pid;
  row.started_at = process.started_at;
  return row;
}

HostReport host_report() {
  utsname kernel{};
  uname(&kernel);
  return {kernel.nodename, kernel.release, kernel.machine,
          static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN))};
}

} // namespace leakbpf
