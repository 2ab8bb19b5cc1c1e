// SPDX-License-Identifier: Apache-2.0
#include "core/held_diff.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

namespace leakbpf {

namespace {

/// Growth that differs by less is the same.
constexpr double least_share = 0.2;

void add(std::optional<HeldFigures>& side, const HeldReport& row) {
  HeldFigures& figures = side ? *side : side.emplace();
  figures.entries += row.entries;
  figures.bytes += row.bytes.value_or(0);
  add_growth(figures, row.growth_bytes_per_minute, row.verdict.severity);
}

Change change_of(const HeldChange& change) {
  if (!change.before)
    return Change::added;
  if (!change.after)
    return Change::gone;
  const double before = change.before->growth_bytes_per_minute.value_or(0);
  if (change.growth_change() > least_share * before)
    return Change::grew;
  return change.growth_change() < -least_share * before ? Change::shrank : Change::same;
}

} // namespace

std::vector<HeldChange> compare_held(const std::vector<HeldReport>& before,
                                     const std::vector<HeldReport>& after) {
  std::map<std::pair<std::string, std::string>, HeldChange> by_path;
  const auto change_at = [&](const HeldReport& row) -> HeldChange& {
    HeldChange& change = by_path[{row.path, row.type}];
    change.row = row; // the later snapshot comes last
    return change;
  };
  for (const HeldReport& row : before)
    add(change_at(row).before, row);
  for (const HeldReport& row : after)
    add(change_at(row).after, row);
  std::vector<HeldChange> changes;
  for (auto& [path, change] : by_path) {
    change.change = change_of(change);
    changes.push_back(std::move(change));
  }
  std::stable_sort(changes.begin(), changes.end(), [](const HeldChange& a, const HeldChange& b) {
    return std::abs(a.growth_change()) > std::abs(b.growth_change());
  });
  return changes;
}

} // namespace leakbpf
