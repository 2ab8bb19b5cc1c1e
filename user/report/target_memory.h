// SPDX-License-Identifier: Apache-2.0
// What is remembered and told of a target's memory as a whole, whoever follows it.
#pragma once

#include "core/growth_record.h"
#include "core/verdict.h"
#include "target/memory_limit.h"
#include "target/memory_usage.h"
#include "target/process.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace leakbpf {

/// Adds what the target has now to the record's sample and to `point`. `after_gap`: it was not
/// looked at at every sample.
void put_memory(GrowthRecord& record, std::uint32_t target, const MemoryUsage& usage,
                bool after_gap, HistoryPoint& point);

/// The trends of its memory since `since` seconds.
void read_memory_trends(const GrowthRecord& record, std::uint32_t target, double since,
                        TargetEvidence& evidence);

/// Of a limit that others may use, too, only the target's own part counts: `resident` bytes.
[[nodiscard]] LimitUse limit_use(const LimitState& state, std::optional<std::uint64_t> resident);

/// The memory of targets over time, in bounded room: every other time is dropped when it is full.
class MemoryHistory {
public:
  /// Begins a sample; false when its points are not to be kept.
  bool begin_sample() { return samples_++ % stride_ == 0; }
  void add(const HistoryPoint& point) { points_.push_back(point); }
  /// Makes room after a sample of so many targets.
  void end_sample(std::size_t targets);
  [[nodiscard]] const std::vector<HistoryPoint>& points() const { return points_; }

private:
  void thin();

  std::vector<HistoryPoint> points_;
  std::size_t stride_ = 1;
  std::size_t samples_ = 0;
};

/// Which process it is; nothing of its memory.
[[nodiscard]] TargetReport describe_process(const ProcessInfo& process);

/// This machine.
[[nodiscard]] HostReport host_report();

} // namespace leakbpf
