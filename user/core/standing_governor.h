// SPDX-License-Identifier: Apache-2.0
// Whether probes of one kind may stay in all the time, or only while a window is open: what they
// cost depends on what the process does, and can change from one second to the next.
#pragma once

namespace leakbpf {

class StandingGovernor {
public:
  /// The share of one core that the probes may cost all the time; 0: no limit.
  void set_budget(double budget) { budget_ = budget; }

  /// At `now`, in seconds, they have cost `cost_seconds` since the start. `in`: they were in since
  /// the last look.
  void look(double now, double cost_seconds, bool in);
  /// False: they are to be in windows only.
  [[nodiscard]] bool may_stand() const { return may_stand_; }

private:
  static constexpr int least_calm = 3;

  void look_at_standing(double seconds, double cost);
  void look_at_windows(double seconds, double cost);

  double budget_ = 0;
  bool may_stand_ = true;
  double last_look_ = 0;
  double last_cost_ = 0;
  double over_ = 0;            ///< seconds of cost above the budget that were run up
  double stood_seconds_ = 0;   ///< since they came back
  double stretch_seconds_ = 0; ///< in windows
  double stretch_cost_ = 0;
  int calm_ = 0; ///< stretches in a row that would have been within the budget
  int calm_to_return_ = least_calm;
};

} // namespace leakbpf
