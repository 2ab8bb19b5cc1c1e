// SPDX-License-Identifier: Apache-2.0
#include "core/room_growth.h"

#include "core/history.h"

#include <algorithm>
#include <cmath>

namespace leakbpf {

namespace {

constexpr std::size_t fewest_looks = 4;
constexpr double least_span_seconds = 10;
// Of less nothing is said.
constexpr double least_rise = 512 << 10;
// What steps differ by from the usual one, against what grew in all.
constexpr double most_noise = 0.2;
// Looks and sums are not of the same moment, and windows tell of a part: by so much they may
// differ.
constexpr double tolerance = 0.7;
// So small a part of it, and so little, are free blocks that threads keep for themselves.
constexpr double noise_share = 0.1;
constexpr double noise_rate = 1024.0 * 1024 / 60; // a second

/// Of even numbers the lower one.
double lower_median(std::vector<double>& numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>((numbers.size() - 1) / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

struct Rise {
  double whole = 0; ///< from the first look to the last
  double usual = 0; ///< as many times the median of the steps as there are
  double noise = 0; ///< what a step differs by from it, likewise the median
};

double whole_rise(const std::vector<HeapLook>& looks, double HeapLook::*what) {
  return looks.back().*what - looks.front().*what;
}

Rise rise_of(const std::vector<HeapLook>& looks, double HeapLook::*what) {
  std::vector<double> steps;
  for (std::size_t i = 1; i < looks.size(); i++)
    steps.push_back(looks[i].*what - looks[i - 1].*what);
  const double usual = lower_median(steps);
  Rise rise{whole_rise(looks, what), usual * static_cast<double>(steps.size()), 0};
  for (double& step : steps)
    step = std::abs(step - usual);
  rise.noise = lower_median(steps);
  return rise;
}

} // namespace

std::optional<RoomGrowth> RoomHistory::growth() const {
  const std::vector<HeapLook>& looks = looks_.items();
  if (looks.size() < fewest_looks)
    return std::nullopt;
  const double seconds = whole_rise(looks, &HeapLook::seconds);
  const Rise room = rise_of(looks, &HeapLook::room);
  const Rise used = rise_of(looks, &HeapLook::used);
  const double memory = whole_rise(looks, &HeapLook::memory);
  const double outstanding = whole_rise(looks, &HeapLook::outstanding);
  const double of_all_kinds = whole_rise(looks, &HeapLook::of_all_kinds);
  if (seconds < least_span_seconds ||
      std::max(room.noise, used.noise) > most_noise * std::max(memory, outstanding))
    return std::nullopt;
  RoomGrowth growth;
  growth.bytes = looks.back().room;
  if (memory >= least_rise) {
    growth.most_share =
        std::clamp(std::min(room.whole, room.whole + used.whole) / memory, 0.0, 1.0);
    growth.share = std::clamp(room.usual / memory, 0.0, growth.most_share);
  }
  const double elsewhere = std::max(memory - room.whole - used.whole, 0.0);
  const double blocks = std::max({used.whole, used.usual, 0.0}) + elsewhere;
  if (blocks >= std::min(noise_share * outstanding, noise_rate * seconds))
    growth.blocks_rate = blocks / seconds;
  if (growth.blocks_rate > 0) // the first look and the last may both be off
    growth.most_blocks_rate = growth.blocks_rate + 2 * used.noise / seconds;
  if (outstanding >= least_rise && blocks < tolerance * outstanding) {
    growth.replaced_rate = outstanding / seconds - growth.blocks_rate;
    growth.replaced_share =
        std::min(growth.replaced_rate * seconds / std::max(of_all_kinds, outstanding), 1.0);
  }
  return growth;
}

} // namespace leakbpf
