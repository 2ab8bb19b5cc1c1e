// SPDX-License-Identifier: Apache-2.0
// The probes on what maps memory, in the processes of one group. What was mapped is known only as
// long as every call is seen, so these cannot come and go: where they alone would break the budget
// they are taken out for good.
#pragma once

#include "core/cost_meter.h"
#include "core/standing_governor.h"
#include "session/attachments.h"

#include <span>

namespace leakbpf {

class MappingProbes {
public:
  /// Of what the group's probes may cost, as a share of one core; 0: no limit.
  void set_budget(double budget);
  /// What they did and cost since the last time.
  void add(const ProbeWork& work, double cost_seconds);
  [[nodiscard]] bool are_in() const { return in_; }
  /// True when this look has taken them out of `owners`.
  [[nodiscard]] bool look(double now, Attachments& attachments, std::span<const pid_t> owners);
  /// Calls since they were taken out, if there are as many as there were then.
  [[nodiscard]] double unseen_calls(double now) const;
  /// When to look again while no window is open.
  [[nodiscard]] double next_look(double now) const;

private:
  StandingGovernor governor_;
  double cost_seconds_ = 0;
  double hits_ = 0; ///< since the last look
  double last_look_ = 0;
  bool in_ = true;
  double out_since_ = 0;
  double calls_per_second_ = 0; ///< at the end
};

} // namespace leakbpf
