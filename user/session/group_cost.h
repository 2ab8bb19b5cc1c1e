// SPDX-License-Identifier: Apache-2.0
// What probes did in a group of processes, and what that cost them.
#pragma once

#include "core/cost_meter.h"

#include <optional>

namespace leakbpf {

class GroupCost {
public:
  /// `metered`: the processes' own CPU time tells what a hit costs; else only the loop's figure
  /// does, as what thousands of processes take is not looked at.
  GroupCost(double loop_hit_seconds, bool metered)
      : metered_(metered), meter_(loop_hit_seconds), metering_(metered) {}

  /// What a process took before it was probed.
  void learn(const CpuTimes& taken) { meter_.add_free(taken); }
  void start(double now) { recent_from_ = now; }
  /// Work of members, and the CPU time that they took meanwhile. `all_read`: of each of them; of a
  /// process that has ended nobody knows what it took. Returns what is paid of each second that
  /// such work costs by the model.
  [[nodiscard]] double add(const ProbeWork& work, const CpuTimes& taken, bool all_read);
  /// Work of processes that share probes; `governed` seconds of its cost are the budget's.
  void add_shared(const ProbeWork& work, double governed);
  /// So much later.
  void note_time(double now);

  /// Hands what was done since the last time to the meter: with the probes in, or out.
  void meter(bool probed);
  /// From here on what is done is the meter's: probes are all in, or all out.
  void meter_from_here();
  /// Probes are being put in or taken out.
  void stop_metering() { metering_ = false; }
  [[nodiscard]] bool is_metering() const { return metering_; }

  [[nodiscard]] const CpuTimes& taken() const { return taken_; }
  [[nodiscard]] const ProbeWork& work() const { return work_; }
  [[nodiscard]] double seconds_of(const ProbeWork& work) const { return meter_.cost_seconds(work); }
  [[nodiscard]] double hit_seconds() const { return meter_.hit_seconds(); }
  [[nodiscard]] bool is_corrected() const { return meter_.is_corrected(); }
  /// Since the start; the governed part is the one that the budget is for.
  [[nodiscard]] double seconds() const { return seconds_; }
  [[nodiscard]] double governed_seconds() const { return governed_seconds_; }
  /// Share of one core, of late; nothing at first.
  [[nodiscard]] const std::optional<double>& recent_share() const { return recent_share_; }

private:
  bool metered_;
  CostMeter meter_;
  CostBound bound_;
  CpuTimes taken_; ///< by all members since the start
  ProbeWork work_; ///< likewise
  double seconds_ = 0;
  double governed_seconds_ = 0;
  CpuTimes metered_taken_; ///< what of them the meter knows
  ProbeWork metered_work_;
  bool metering_;
  double recent_from_ = 0; ///< begin of the stretch that `recent_share_` will be of
  double recent_seconds_ = 0;
  std::optional<double> recent_share_;
};

} // namespace leakbpf
