// SPDX-License-Identifier: Apache-2.0
#include "core/governor.h"

#include <algorithm>

namespace leakbpf {

namespace {

// The rest is for what a window costs beyond its plan (probes are still hit while they are taken
// out), and since a share of a core is a greater one of a server that is busy for less than a core.
constexpr double usable_share = 0.75;
// From the begin of a window to that of the next: long enough that attaching and detaching (about
// 0.1 s of the kernel's work) are rare, short enough for many windows in a minute.
constexpr double cycle_seconds = 4;
constexpr double shortest_window = 0.05;
constexpr double longest_window = 2;
constexpr double shortest_gap = 0.5;
// While a window is open, and while none is.
constexpr double open_look_seconds = 0.1;
constexpr double closed_look_seconds = 0.25;
constexpr double free_look_seconds = 0.15;
constexpr double unlimited_look_seconds = 1; // only to tell the cost
// The first look at a new target, whose rate nobody knows.
constexpr double first_look_seconds = 0.1;
// A window is cut short when it has cost so many times what was planned.
constexpr double spike_factor = 2;
// Back to probing all the time after so many cheap windows.
constexpr int windows_to_return = 3;
constexpr double return_share = 0.9;
// What may be run up above the budget before windows begin, in seconds of the budget.
constexpr double patience_seconds = 2;

} // namespace

Governor::Governor(double budget, std::uint32_t seed) : budget_(budget), random_(seed + 1) {}

void Governor::set_budget(double budget) {
  budget_ = budget;
}

double Governor::usable_budget() const {
  return budget_ * usable_share;
}

void Governor::opened(double now, double cost_seconds) {
  open_ = true;
  earn(now, cost_seconds);
  opened_at_ = stretch_begin_ = now;
  cost_at_open_ = stretch_cost_ = cost_seconds;
  over_ = 0;
  plan_window();
}

void Governor::closed(double now) {
  open_ = false;
  closed_at_ = now;
}

void Governor::earn(double now, double cost_seconds) {
  earned_ += budget_ * (now - earned_until_.value_or(now));
  earned_until_ = now;
  if (budget_ <= 0) // nothing will be owed for this time
    earned_ = cost_seconds;
}

/// Seconds that a window may last in which a second costs `rate` seconds.
double Governor::window_of(double rate) const {
  const double share = rate > 0 ? usable_budget() / rate : 1;
  return std::clamp(cycle_seconds * share, shortest_window, longest_window);
}

void Governor::plan_window() {
  if (!limiting_)
    return;
  window_seconds_ = window_of(rate_);
  window_seconds_ *= std::uniform_real_distribution<double>(0.75, 1.25)(random_);
}

std::optional<double> Governor::planned_seconds() const {
  return limiting_ ? std::optional(window_seconds_) : std::nullopt;
}

/// While nothing is limited.
void Governor::look_at_rate(double now, double cost_seconds) {
  const double seconds = now - stretch_begin_;
  const double least =
      now - opened_at_ < free_look_seconds ? first_look_seconds : free_look_seconds;
  if (seconds < least)
    return;
  rate_ = (cost_seconds - stretch_cost_) / seconds;
  over_ = std::max(0.0, over_ + (rate_ - budget_) * seconds);
  if (over_ > patience_seconds * budget_) {
    // The first window is what went before, without the time in which nothing was run up.
    limiting_ = true;
    cheap_windows_ = 0;
    opened_at_ = stretch_begin_;
    cost_at_open_ = stretch_cost_;
  }
  stretch_begin_ = now;
  stretch_cost_ = cost_seconds;
}

bool Governor::should_close(double now, double cost_seconds) {
  earn(now, cost_seconds);
  if (budget_ <= 0)
    limiting_ = false;
  if (!open_ || budget_ <= 0)
    return false;
  if (!limiting_) {
    look_at_rate(now, cost_seconds);
    return limiting_;
  }
  const double seconds = now - opened_at_;
  const double cost = cost_seconds - cost_at_open_;
  const bool spike = cost > spike_factor * rate_ * window_seconds_ && cost > usable_budget();
  if (seconds < window_seconds_)
    return spike;
  if (cheap_windows_ < windows_to_return || cost > return_share * usable_budget() * seconds)
    return true;
  limiting_ = false; // and this window goes on without an end
  stretch_begin_ = now;
  stretch_cost_ = cost_seconds;
  return false;
}

bool Governor::should_open(double now, double cost_seconds) {
  earn(now, cost_seconds);
  if (open_ || now - closed_at_ < shortest_gap)
    return false;
  // The whole cycle's cost, with that of taking the probes out.
  const double cost = cost_seconds - cost_at_open_;
  const double cycle = now - opened_at_;
  if (budget_ > 0 && cost > usable_budget() * cycle)
    return false;
  const double rate = cost / std::max(closed_at_ - opened_at_, shortest_window / 2);
  // A short run, too, is to end within the budget, though nobody knew the rate in its first stretch
  // and the last window's cost has not been waited for.
  if (budget_ > 0 && cost_seconds + rate * window_of(rate) > earned_)
    return false;
  rate_ = rate;
  cheap_windows_ = rate_ < return_share * usable_budget() ? cheap_windows_ + 1 : 0;
  return true;
}

double Governor::next_look(double now) const {
  if (!open_)
    return now + closed_look_seconds;
  if (!limiting_)
    return budget_ > 0 ? now + (now - opened_at_ < free_look_seconds ? first_look_seconds
                                                                     : free_look_seconds)
                       : now + unlimited_look_seconds;
  return std::min(now + open_look_seconds, opened_at_ + window_seconds_);
}

} // namespace leakbpf
