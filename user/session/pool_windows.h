// SPDX-License-Identifier: Apache-2.0
// When the function is probed that begins Python's pools, in the processes of one group: all the
// time as long as that is cheap, else in the windows of the heap.
#pragma once

#include "core/standing_governor.h"
#include "session/attachments.h"

#include <optional>
#include <span>

namespace leakbpf {

class PoolWindows {
public:
  /// Of what the group's probes may cost, as a share of one core; 0: no limit.
  void set_budget(double budget);
  /// What the probes on pools have cost since the last time, in seconds.
  void add_cost(double seconds) { cost_seconds_ += seconds; }
  [[nodiscard]] bool are_in() const { return in_; }

  /// Takes them out of `owners` when they cost too much for all the time and no window is open.
  void look(double now, bool window_is_open, Attachments& attachments,
            std::span<const pid_t> owners);
  /// A window opens, or was closed.
  [[nodiscard]] Result<void> open(double now, Attachments& attachments,
                                  std::span<const pid_t> owners);
  void close(double now, Attachments& attachments, std::span<const pid_t> owners);
  /// How many pools each one of a window that stands for `covered` seconds stands for; nothing: for
  /// as long as it lasts.
  [[nodiscard]] std::uint16_t begin_window(std::optional<double> covered);
  void end_window(double covered);
  /// When to look again while no window is open.
  [[nodiscard]] double next_look(double now) const;

private:
  void take_out(double now, Attachments& attachments, std::span<const pid_t> owners);

  StandingGovernor governor_;
  double cost_seconds_ = 0;
  bool in_ = true;
  double out_since_ = 0;
  double uncovered_ = 0; ///< seconds that they were out and no window stands for
  std::uint16_t scale_ = 1;
};

} // namespace leakbpf
