// SPDX-License-Identifier: Apache-2.0
#include "session/pool_windows.h"

#include <algorithm>
#include <cmath>

namespace leakbpf {

namespace {

// The rest is for the heap's windows.
constexpr double pool_standing_share = 0.5;
constexpr double pool_look_seconds = 0.1;

} // namespace

void PoolWindows::set_budget(double budget) {
  governor_.set_budget(budget * pool_standing_share);
}

void PoolWindows::look(double now, bool window_is_open, Attachments& attachments,
                       std::span<const pid_t> owners) {
  governor_.look(now, cost_seconds_, in_);
  if (in_ && !window_is_open && !governor_.may_stand())
    take_out(now, attachments, owners);
}

void PoolWindows::take_out(double now, Attachments& attachments, std::span<const pid_t> owners) {
  in_ = false;
  out_since_ = now;
  for (const pid_t pid : owners)
    attachments.close_pools(pid);
}

Result<void> PoolWindows::open(double now, Attachments& attachments,
                               std::span<const pid_t> owners) {
  if (in_)
    return {};
  in_ = true;
  uncovered_ += now - out_since_;
  for (const pid_t pid : owners)
    if (auto done = attachments.open_pools(pid); !done)
      return done;
  return {};
}

void PoolWindows::close(double now, Attachments& attachments, std::span<const pid_t> owners) {
  if (in_ && !governor_.may_stand())
    take_out(now, attachments, owners);
}

std::uint16_t PoolWindows::begin_window(std::optional<double> covered) {
  scale_ = 1;
  if (!covered)
    uncovered_ = 0; // they are in from here on
  else
    scale_ = static_cast<std::uint16_t>(
        std::clamp(std::round((uncovered_ + *covered) / *covered), 1.0, double{LEAKBPF_MAX_SCALE}));
  return scale_;
}

void PoolWindows::end_window(double covered) {
  uncovered_ -= covered * (scale_ - 1);
}

double PoolWindows::next_look(double now) const {
  constexpr double never = 3600;
  return now + (in_ && cost_seconds_ > 0 ? pool_look_seconds : never);
}

} // namespace leakbpf
