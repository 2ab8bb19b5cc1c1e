// SPDX-License-Identifier: Apache-2.0
#include "core/culprit_rows.h"

#include "core/culprit.h"
#include "core/one_ladder.h"
#include "core/row_sum.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// A function without a line is one place, but for the program's start, into which others are
/// inlined.
std::string place_of(const Frame& frame) {
  if (!frame.file.empty())
    return fmt::format("{}:{} {}", frame.file, frame.line, frame.function);
  if (!frame.function.empty() && !only_starts(frame))
    return fmt::format("{} {} {}", frame.build_id, frame.module, frame.function);
  return fmt::format("{} {}+{:#x} {}", frame.build_id, frame.module, frame.offset.value_or(0),
                     frame.function);
}

/// Nothing: the stack stands alone.
std::optional<std::string> culprit_key(const SiteReport& site) {
  if (site.culprit >= site.frames.size())
    return std::nullopt;
  const Frame& frame = site.frames[site.culprit];
  if (frame.kind == FrameKind::note ||
      (frame.file.empty() && frame.function.empty() && !frame.offset))
    return std::nullopt;
  return fmt::format("{} {} {}", site.target, static_cast<int>(site.key.kind), place_of(frame));
}

/// What the order looks at, without names.
SiteReport numbers_of(const SiteReport& site) {
  SiteReport numbers;
  numbers.key = site.key;
  numbers.totals = site.totals;
  numbers.growth_bytes_per_minute = site.growth_bytes_per_minute;
  numbers.resident_bytes = site.resident_bytes;
  numbers.oldest_age_seconds = site.oldest_age_seconds;
  numbers.verdict.severity = site.verdict.severity;
  numbers.behind = site.behind;
  return numbers;
}

void number_ranks(std::vector<SiteReport>& sites) {
  for (std::size_t i = 0; i < sites.size(); i++)
    sites[i].rank = i + 1;
}

} // namespace

std::vector<std::vector<std::size_t>> stacks_by_culprit(const std::vector<SiteReport>& sites,
                                                        const SiteOrder& order) {
  std::vector<std::size_t> ranked(sites.size());
  std::iota(ranked.begin(), ranked.end(), std::size_t{0});
  std::sort(ranked.begin(), ranked.end(),
            [&](std::size_t a, std::size_t b) { return order(sites[a], sites[b]); });
  std::vector<std::pair<RowSum, std::vector<std::size_t>>> rows;
  std::unordered_map<std::string, std::size_t> row_of;
  for (const std::size_t index : ranked) {
    const auto key = culprit_key(sites[index]);
    if (key) {
      const auto [known, is_new] = row_of.emplace(*key, rows.size());
      if (!is_new) {
        auto& [sum, indices] = rows[known->second];
        sum.add(numbers_of(sites[index]));
        indices.push_back(index);
        continue;
      }
    }
    rows.emplace_back(RowSum(numbers_of(sites[index])), std::vector<std::size_t>{index});
  }
  std::stable_sort(rows.begin(), rows.end(), [&](const auto& a, const auto& b) {
    return order(a.first.row(), b.first.row());
  });
  std::vector<std::vector<std::size_t>> groups;
  groups.reserve(rows.size());
  for (auto& [sum, indices] : rows)
    groups.push_back(std::move(indices));
  return groups;
}

std::vector<std::vector<std::size_t>> adjacent_culprits(const std::vector<SiteReport>& sites) {
  std::vector<std::vector<std::size_t>> groups;
  std::optional<std::string> last;
  for (std::size_t i = 0; i < sites.size(); i++) {
    auto key = culprit_key(sites[i]);
    if (groups.empty() || !key || key != last)
      groups.emplace_back();
    groups.back().push_back(i);
    last = std::move(key);
  }
  return groups;
}

/// The row of a culprit is told by the stack that grows most, whatever the order is.
namespace {

/// Of those for which one was kept.
std::vector<std::uint64_t> summed_series(const std::vector<SiteReport>& sites,
                                         const std::vector<std::size_t>& indices) {
  std::vector<std::uint64_t> sum;
  for (const std::size_t index : indices) {
    const std::vector<std::uint64_t>& series = sites[index].series;
    sum.resize(std::max(sum.size(), series.size()));
    std::transform(series.begin(), series.end(), sum.begin(), sum.begin(), std::plus<>());
  }
  return sum;
}

} // namespace

SiteReport culprit_row(const std::vector<SiteReport>& sites,
                       const std::vector<std::size_t>& indices) {
  const std::size_t lead =
      *std::max_element(indices.begin(), indices.end(), [&](std::size_t a, std::size_t b) {
        return sustained_growth(sites[a]) < sustained_growth(sites[b]);
      });
  const SiteReport& first = sites[lead];
  if (indices.size() == 1)
    return first;
  RowSum sum(first);
  for (const std::size_t index : indices)
    if (index != lead)
      sum.add(sites[index]);
  SiteReport row = std::move(sum.row());
  row.series = summed_series(sites, indices);
  row.reach = first.reach; // a sample tells of the blocks that it is of
  row.verdict.reasons = first.verdict.reasons;
  if (!row.verdict.reasons.empty())
    row.verdict.reasons.front().insert(0, fmt::format("one of its {} stacks: ", row.stacks));
  return row;
}

bool any_grows(const std::vector<SiteReport>& sites, const std::vector<std::size_t>& indices) {
  return std::any_of(indices.begin(), indices.end(),
                     [&](std::size_t index) { return grows(sites[index].verdict.severity); });
}

void join_culprits(Report& report, const SiteOrder& order, std::size_t rows) {
  const auto groups = stacks_by_culprit(report.sites, order);
  const std::size_t unseen = report.site_count - std::min(report.site_count, report.sites.size());
  std::vector<SiteReport> joined;
  for (const std::vector<std::size_t>& indices : groups) {
    if (rows != 0 && joined.size() == rows)
      break;
    joined.push_back(culprit_row(report.sites, indices));
  }
  report.sites = std::move(joined);
  report.site_count = groups.size() + unseen;
  number_ranks(report.sites);
  grade_by_targets(report);
}

void rank_by_culprit(Report& report, const SiteOrder& order) {
  std::vector<SiteReport> ranked;
  ranked.reserve(report.sites.size());
  for (const std::vector<std::size_t>& indices : stacks_by_culprit(report.sites, order))
    for (const std::size_t index : indices)
      ranked.push_back(std::move(report.sites[index]));
  report.sites = std::move(ranked);
  number_ranks(report.sites);
}

} // namespace leakbpf
