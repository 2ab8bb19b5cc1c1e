// SPDX-License-Identifier: Apache-2.0
#include "session/group_cost.h"

namespace leakbpf {

double GroupCost::add(const ProbeWork& work, const CpuTimes& taken, bool all_read) {
  work_ += work;
  taken_ += taken;
  const double cost = meter_.cost_seconds(work);
  const double paid = all_read ? bound_.bounded(cost, taken.user + taken.system) : cost;
  seconds_ += paid;
  governed_seconds_ += paid;
  return cost > 0 ? paid / cost : 0;
}

void GroupCost::add_shared(const ProbeWork& work, double governed) {
  work_ += work;
  seconds_ += meter_.cost_seconds(work);
  governed_seconds_ += governed;
}

void GroupCost::note_time(double now) {
  constexpr double least_stretch = 5;
  if (now - recent_from_ < least_stretch)
    return;
  recent_share_ = (seconds_ - recent_seconds_) / (now - recent_from_);
  recent_from_ = now;
  recent_seconds_ = seconds_;
}

void GroupCost::meter_from_here() {
  metered_taken_ = taken_;
  metered_work_ = work_;
  metering_ = metered_;
}

void GroupCost::meter(bool probed) {
  if (!metering_)
    return;
  if (probed)
    meter_.add_probed(taken_ - metered_taken_, work_ - metered_work_);
  else
    meter_.add_free(taken_ - metered_taken_);
  meter_from_here();
}

} // namespace leakbpf
