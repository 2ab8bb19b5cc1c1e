// SPDX-License-Identifier: Apache-2.0
#include "core/work_speed.h"

#include <algorithm>

namespace leakbpf {

namespace {

constexpr double speed_fading_seconds = 10;
constexpr double least_seconds = 0.2; // of each kind, to tell anything
constexpr double slowest = 0.3;
constexpr double least_cost = 0.05; // likewise: CPU times come in ticks
// What the processes take more in windows, as a share of what the model says that probes cost: the
// model may say half too much. From this on nothing holds them up,
constexpr double at_leisure = 0.6;
// and up to this all of what was measured counts.
constexpr double held_up = 0.2;

} // namespace

void WorkSpeed::Rate::add(double more_user, double more_own, double more_all, double more_seconds) {
  user += more_user;
  own += more_own;
  all += more_all;
  seconds += more_seconds;
  if (seconds < 2 * speed_fading_seconds)
    return;
  user /= 2;
  own /= 2;
  all /= 2;
  seconds /= 2;
}

void WorkSpeed::add_free(const CpuTimes& taken, double seconds) {
  const double all = taken.user + taken.system;
  free_.add(taken.user, all, all, seconds);
}

void WorkSpeed::add_probed(const CpuTimes& taken, double cost_seconds, double seconds) {
  const double all = taken.user + taken.system;
  probed_.add(taken.user - CostMeter::user_part(cost_seconds), all - cost_seconds, all, seconds);
}

double WorkSpeed::measured() const {
  if (free_.user <= 0)
    return 1;
  const double time = probed_.seconds / free_.seconds;
  return std::clamp(std::max(probed_.user / (free_.user * time), probed_.own / (free_.own * time)),
                    slowest, 1.0);
}

double WorkSpeed::speed() const {
  const double cost = probed_.all - probed_.own;
  if (free_.seconds < least_seconds || probed_.seconds < least_seconds || cost < least_cost)
    return 1;
  const double more = probed_.all - free_.all * probed_.seconds / free_.seconds;
  const double counts = std::clamp((at_leisure - more / cost) / (at_leisure - held_up), 0.0, 1.0);
  return 1 - counts * (1 - measured());
}

} // namespace leakbpf
