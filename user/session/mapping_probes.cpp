// SPDX-License-Identifier: Apache-2.0
#include "session/mapping_probes.h"

#include <algorithm>
#include <utility>

namespace leakbpf {

namespace {

// The rest is for the windows of the heap.
constexpr double mapping_standing_share = 0.75;
constexpr double mapping_look_seconds = 0.1;
constexpr double hits_of_call = 2;

} // namespace

void MappingProbes::set_budget(double budget) {
  governor_.set_budget(budget * mapping_standing_share);
}

void MappingProbes::add(const ProbeWork& work, double cost_seconds) {
  hits_ += work.hits;
  cost_seconds_ += cost_seconds;
}

bool MappingProbes::look(double now, Attachments& attachments, std::span<const pid_t> owners) {
  const double seconds = std::max(now - last_look_, 1e-3);
  const double hits = std::exchange(hits_, 0);
  last_look_ = now;
  if (!in_)
    return false;
  governor_.look(now, cost_seconds_, true);
  if (governor_.may_stand())
    return false;
  in_ = false;
  out_since_ = now;
  calls_per_second_ = hits / hits_of_call / seconds;
  for (const pid_t pid : owners)
    attachments.close_mapping_calls(pid);
  return true;
}

double MappingProbes::unseen_calls(double now) const {
  return in_ ? 0 : std::max(1.0, calls_per_second_ * (now - out_since_));
}

double MappingProbes::next_look(double now) const {
  constexpr double never = 3600;
  return now + (in_ && cost_seconds_ > 0 ? mapping_look_seconds : never);
}

} // namespace leakbpf
