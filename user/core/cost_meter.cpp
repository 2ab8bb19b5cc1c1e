// SPDX-License-Identifier: Apache-2.0
#include "core/cost_meter.h"

#include <algorithm>

namespace leakbpf {

namespace {

// A real program's hit, in hits of a loop: 1.2 to 2.2 were measured.
constexpr double usual_factor = 1.5;
// User time that a program takes more, for each second of system time that probes take: for two web
// servers in Python 0.18 and 0.68 were measured.
constexpr double cold_factor = 0.35;
// A process that does next to all of its work in the kernel cannot be told from its probes.
constexpr double least_divisor = 0.25;
constexpr double least_factor = 0.7;
constexpr double most_factor = 5;
// CPU times come in ticks of up to 10 ms: less than this tells nothing.
constexpr double enough_seconds = 0.05;
// Two ticks, one at each end of a stretch.
constexpr double most_carried = 0.02;
// With so much of it the process's own figure is taken alone.
constexpr double plenty_seconds = 0.3;
// Of probed CPU time: older than this counts half.
constexpr double cost_fading_seconds = 10;

} // namespace

CostMeter::CostMeter(double loop_hit_seconds) : loop_hit_seconds_(loop_hit_seconds) {}

void CostMeter::add_free(const CpuTimes& taken) {
  free_ += taken;
  fade();
}

void CostMeter::add_probed(const CpuTimes& taken, const ProbeWork& work) {
  probed_ += taken;
  work_ += work;
  fade();
}

void CostMeter::fade() {
  const auto halve = [](CpuTimes& times) {
    if (times.user + times.system < 2 * cost_fading_seconds)
      return false;
    times.user /= 2;
    times.system /= 2;
    return true;
  };
  halve(free_);
  if (halve(probed_)) {
    work_.hits /= 2;
    work_.following_seconds /= 2;
  }
}

bool CostMeter::is_corrected() const {
  return work_.hits * loop_hit_seconds_ >= enough_seconds &&
         free_.user + free_.system >= enough_seconds && free_.user > 0;
}

double CostMeter::hit_seconds() const {
  const double usual = usual_factor * loop_hit_seconds_;
  if (!is_corrected())
    return usual;
  // With its own work's ratio r of system to user time, and x of system time that probes take: user
  // is work + cold_factor x, system is r work + x.
  const double ratio = free_.system / free_.user;
  const double system =
      (probed_.system - ratio * probed_.user) / std::max(least_divisor, 1 - cold_factor * ratio);
  const double extra = (1 + cold_factor) * system;
  const double measured =
      std::clamp((extra - work_.following_seconds) / work_.hits, least_factor * loop_hit_seconds_,
                 most_factor * loop_hit_seconds_);
  const double trust = std::min(1.0, work_.hits * loop_hit_seconds_ / plenty_seconds);
  return trust * measured + (1 - trust) * usual;
}

double CostMeter::user_part(double cost_seconds) {
  return cost_seconds * cold_factor / (1 + cold_factor);
}

double CostMeter::cost_seconds(const ProbeWork& work) const {
  return work.hits * hit_seconds() + work.following_seconds;
}

double CostBound::bounded(double cost, double taken) {
  cost_left_ += cost;
  taken_left_ += taken;
  const double possible = std::min(cost_left_, taken_left_);
  // What was taken long ago has nothing to do with hits of now, nor the other way round.
  cost_left_ = std::min(cost_left_ - possible, most_carried);
  taken_left_ = std::min(taken_left_ - possible, most_carried);
  return possible;
}

} // namespace leakbpf
