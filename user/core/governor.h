// SPDX-License-Identifier: Apache-2.0
// Keeps the cost of probes within a budget by windows: probes are attached, and taken out again
// until what they cost is paid for. A process whose allocations are few is probed all the time.
#pragma once

#include <cstdint>
#include <optional>
#include <random>

namespace leakbpf {

class Governor {
public:
  /// `budget`: share of one core, such as 0.03; 0: no limit. `seed`: the lengths of windows vary a
  /// little, so that they do not keep step with something periodic.
  Governor(double budget, std::uint32_t seed);

  void set_budget(double budget);
  /// Probes were attached (or taken out) at `now`, in seconds. `cost_seconds` is what they have
  /// cost since the start.
  void opened(double now, double cost_seconds);
  void closed(double now);

  /// True when a window should be opened, or the open one closed.
  [[nodiscard]] bool should_open(double now, double cost_seconds);
  [[nodiscard]] bool should_close(double now, double cost_seconds);
  /// When to ask again, in seconds.
  [[nodiscard]] double next_look(double now) const;

  [[nodiscard]] bool is_open() const { return open_; }
  /// Windows are used: else what is open stays so.
  [[nodiscard]] bool is_limiting() const { return limiting_; }
  /// Seconds that the open window is to last; nothing: no end is foreseen.
  [[nodiscard]] std::optional<double> planned_seconds() const;

private:
  [[nodiscard]] double usable_budget() const;
  void look_at_rate(double now, double cost_seconds);
  void earn(double now, double cost_seconds);
  [[nodiscard]] double window_of(double rate) const;
  void plan_window();

  double budget_;
  std::minstd_rand random_;
  double earned_ = 0; ///< seconds that might have been spent since the start
  std::optional<double> earned_until_;
  bool open_ = false;
  bool limiting_ = false;
  double opened_at_ = 0;
  double closed_at_ = 0;
  double cost_at_open_ = 0;
  double window_seconds_ = 0; ///< of the open window, or of the last
  double rate_ = 0;           ///< cost of a second with probes, in seconds
  int cheap_windows_ = 0;     ///< in a row that would have been within the budget without an end
  // While not limiting: the cost is looked at over stretches.
  double stretch_begin_ = 0;
  double stretch_cost_ = 0;
  double over_ = 0; ///< seconds of cost above the budget that were run up
};

} // namespace leakbpf
