// SPDX-License-Identifier: Apache-2.0
#include "core/room_growth.h"

#include <algorithm>

namespace leakbpf {

namespace {

constexpr std::size_t most_looks = 64;
constexpr std::size_t fewest_looks = 3;
constexpr double least_seconds = 10;
// Of outstanding bytes that grow by less, nothing is said.
constexpr double least_outstanding = 1 << 20;
// Looks and sums are not of the same moment, and windows tell of a part: by so much they may
// differ.
constexpr double tolerance = 0.7;
constexpr double noise = 0.1; // of the same

struct Rise {
  double whole = 0; ///< from the first to the last
  double usual = 0; ///< as many times the median of the steps as there are
};

template <class Value> Rise rise_of(const std::vector<RoomLook>& looks, Value value) {
  std::vector<double> steps;
  for (std::size_t i = 1; i < looks.size(); i++)
    steps.push_back(value(looks[i]) - value(looks[i - 1]));
  const auto middle = steps.begin() + static_cast<std::ptrdiff_t>(steps.size() / 2);
  std::nth_element(steps.begin(), middle, steps.end());
  return {value(looks.back()) - value(looks.front()), *middle * static_cast<double>(steps.size())};
}

} // namespace

void RoomHistory::add(const RoomLook& look) {
  looks_.push_back(look);
  if (looks_.size() > most_looks) // the oldest says least of what goes on now
    looks_.erase(looks_.begin());
}

std::optional<RoomGrowth> RoomHistory::growth() const {
  if (looks_.size() < fewest_looks ||
      looks_.back().seconds - looks_.front().seconds < least_seconds)
    return std::nullopt;
  const auto whole = [&](auto value) { return rise_of(looks_, value).whole; };
  const Rise room = rise_of(looks_, [](const RoomLook& look) { return look.free_bytes; });
  const Rise used = rise_of(looks_, [](const RoomLook& look) { return look.used_bytes; });
  const double memory = whole([](const RoomLook& look) { return look.memory; });
  const double outstanding = whole([](const RoomLook& look) { return look.outstanding; });
  RoomGrowth growth;
  growth.bytes = looks_.back().free_bytes;
  if (memory > 0)
    growth.share =
        std::clamp(std::min({room.whole, room.usual, room.whole + used.whole}) / memory, 0.0, 1.0);
  const double kept = std::max({used.whole, used.usual, 0.0});
  if (outstanding >= least_outstanding && kept < tolerance * outstanding)
    growth.kept = kept < noise * outstanding ? 0 : kept / outstanding;
  return growth;
}

} // namespace leakbpf
