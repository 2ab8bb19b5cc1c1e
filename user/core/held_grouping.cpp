// SPDX-License-Identifier: Apache-2.0
#include "core/held_grouping.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace leakbpf {

namespace {

template <class T> std::optional<T> sum(std::optional<T> a, std::optional<T> b) {
  return a || b ? std::optional<T>(a.value_or(0) + b.value_or(0)) : std::nullopt;
}

/// The less, the surer.
LineEvidence evidence_of(const HeldReport& row) {
  return row.lines.empty() ? LineEvidence::candidate : row.lines.front().evidence;
}

void add_row(HeldReport& to, HeldReport&& row) {
  to.containers += row.containers;
  to.entries += row.entries;
  to.entries_per_minute = sum(to.entries_per_minute, row.entries_per_minute);
  to.bytes = sum(to.bytes, row.bytes);
  to.growth_bytes_per_minute = sum(to.growth_bytes_per_minute, row.growth_bytes_per_minute);
  to.score = std::max(to.score, row.score);
  if (to.verdict.severity < row.verdict.severity)
    to.verdict = std::move(row.verdict);
  if (to.lines.empty() || (!row.lines.empty() && evidence_of(row) < evidence_of(to))) {
    to.lines = std::move(row.lines);
    to.no_line = std::move(row.no_line);
  }
  // Sizes of one process are no series of all.
  to.series_times.clear();
  to.series.clear();
}

void sort_by_growth(std::vector<HeldReport>& rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const HeldReport& a, const HeldReport& b) {
    return a.growth_bytes_per_minute.value_or(0) > b.growth_bytes_per_minute.value_or(0);
  });
}

/// `rows`: the fastest first.
std::vector<HeldReport> merged(std::vector<HeldReport> rows,
                               const std::vector<TargetReport>& targets) {
  using Key = std::tuple<std::string, std::string, std::string>; // program, path, type
  std::map<Key, std::size_t> places;
  std::vector<HeldReport> all;
  std::vector<std::set<std::size_t>> of_row;
  for (HeldReport& row : rows) {
    const auto [place, is_new] =
        places.try_emplace(Key{targets.at(row.target).executable, row.path, row.type}, all.size());
    if (is_new) {
      of_row.push_back({row.target});
      all.push_back(std::move(row));
      continue;
    }
    if (of_row[place->second].insert(row.target).second)
      all[place->second].processes += row.processes;
    add_row(all[place->second], std::move(row));
  }
  return all;
}

/// Rows by their targets and paths: of several at one path the fastest.
using RowsByPath = std::map<std::pair<std::size_t, std::string_view>, std::size_t>;

/// Rows that hold what grows at this one, and grow as fast: the outermost first.
std::vector<std::size_t> outer_rows(const std::vector<HeldReport>& rows, const RowsByPath& by_path,
                                    const HeldReport& row) {
  constexpr double nearly_all = 0.9; // of what the row grows by
  constexpr std::size_t most_steps = 64;
  const std::string_view path = row.path;
  std::vector<std::size_t> outer;
  std::size_t end = path.find_first_of(".[");
  for (std::size_t steps = 0; end != std::string_view::npos && steps < most_steps; steps++) {
    const auto found = by_path.find({row.target, path.substr(0, end)});
    if (found != by_path.end() && rows[found->second].growth_bytes_per_minute.value_or(0) >=
                                      nearly_all * row.growth_bytes_per_minute.value_or(0))
      outer.push_back(found->second);
    end = path.find_first_of(".[", end + 1);
  }
  return outer;
}

/// The same objects may be in a container and in others that these hold: who bounds the outer one
/// has bounded both. `rows`: the fastest first.
std::vector<HeldReport> outer_first(std::vector<HeldReport> rows) {
  RowsByPath by_path;
  for (std::size_t i = 0; i < rows.size(); i++)
    by_path.try_emplace({rows[i].target, rows[i].path}, i);
  std::vector<std::size_t> order;
  std::vector<bool> placed(rows.size());
  const auto place = [&](std::size_t row) {
    if (!placed[row])
      order.push_back(row);
    placed[row] = true;
  };
  for (std::size_t i = 0; i < rows.size(); i++) {
    for (const std::size_t outer : outer_rows(rows, by_path, rows[i]))
      place(outer);
    place(i);
  }
  std::vector<HeldReport> ordered;
  ordered.reserve(rows.size());
  for (const std::size_t row : order)
    ordered.push_back(std::move(rows[row]));
  return ordered;
}

} // namespace

void arrange_held(Report& report, GroupBy by) {
  sort_by_growth(report.held);
  if (by != GroupBy::stack && by != GroupBy::process) {
    report.held = merged(std::move(report.held), report.targets);
    sort_by_growth(report.held);
  }
  report.held = outer_first(std::move(report.held));
  for (std::size_t i = 0; i < report.held.size(); i++)
    report.held[i].rank = i + 1;
}

} // namespace leakbpf
