// SPDX-License-Identifier: Apache-2.0
#include "core/standing_governor.h"

#include <algorithm>

namespace leakbpf {

namespace {

// What may be run up above the budget, in seconds of the budget.
constexpr double standing_patience_seconds = 1;
// A stretch of windows that tells a rate, and how far below the budget it has to be.
constexpr double stretch_of_windows = 0.2;
constexpr double standing_return_share = 0.5;
// Who comes and goes has to be calm for longer each time; after so long in peace that is forgotten.
constexpr int most_calm = 48;
constexpr double peace_seconds = 60;

} // namespace

void StandingGovernor::look(double now, double cost_seconds, bool in) {
  const double seconds = now - last_look_;
  const double cost = cost_seconds - last_cost_;
  last_look_ = now;
  last_cost_ = cost_seconds;
  if (budget_ <= 0) {
    may_stand_ = true;
    over_ = 0;
  } else if (may_stand_) {
    look_at_standing(seconds, cost);
  } else if (in) {
    look_at_windows(seconds, cost);
  }
}

void StandingGovernor::look_at_standing(double seconds, double cost) {
  stood_seconds_ += seconds;
  if (stood_seconds_ > peace_seconds)
    calm_to_return_ = least_calm;
  over_ = std::max(0.0, over_ + cost - budget_ * seconds);
  if (over_ <= standing_patience_seconds * budget_)
    return;
  may_stand_ = false;
  over_ = stretch_seconds_ = stretch_cost_ = 0;
  calm_ = 0;
}

void StandingGovernor::look_at_windows(double seconds, double cost) {
  stretch_seconds_ += seconds;
  stretch_cost_ += cost;
  if (stretch_seconds_ < stretch_of_windows)
    return;
  calm_ = stretch_cost_ < standing_return_share * budget_ * stretch_seconds_ ? calm_ + 1 : 0;
  stretch_seconds_ = stretch_cost_ = 0;
  if (calm_ < calm_to_return_)
    return;
  may_stand_ = true;
  stood_seconds_ = 0;
  calm_to_return_ = std::min(2 * calm_to_return_, most_calm);
}

} // namespace leakbpf
