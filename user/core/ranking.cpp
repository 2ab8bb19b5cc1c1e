// SPDX-License-Identifier: Apache-2.0
#include "core/ranking.h"

#include "core/culprit_rows.h"
#include "core/held_grouping.h"
#include "core/one_ladder.h"
#include "core/row_sum.h"

#include <algorithm>
#include <tuple>

namespace leakbpf {

namespace {

double measure(SortOrder order, const SiteReport& site) {
  switch (order) {
  case SortOrder::growth:
    return growth_in_memory(site);
  case SortOrder::count:
    return static_cast<double>(site.totals.outstanding_count());
  case SortOrder::age:
    return site.oldest_age_seconds.value_or(-1);
  default:
    return static_cast<double>(site.totals.outstanding_bytes());
  }
}

bool ranks_before(SortOrder order, const SiteReport& a, const SiteReport& b) {
  if (a.behind != b.behind)
    return b.behind;
  if (order == SortOrder::growth && grows(a.verdict.severity) != grows(b.verdict.severity))
    return grows(a.verdict.severity);
  if (const double first = measure(order, a), second = measure(order, b); first != second)
    return first > second;
  if (a.totals.outstanding_bytes() != b.totals.outstanding_bytes())
    return a.totals.outstanding_bytes() > b.totals.outstanding_bytes();
  return a.key < b.key;
}

GroupFrame group_of(const Report& report, GroupBy by, const SiteReport& site) {
  if (by != GroupBy::process)
    return group_frame(by, site.frames, site.culprit);
  Frame process;
  process.kind = FrameKind::note;
  process.function = report.targets.at(site.target).comm;
  return {"", process};
}

} // namespace

bool SiteOrder::operator()(const SiteReport& a, const SiteReport& b) const {
  return ranks_before(sort, a, b);
}

bool is_worse(const TargetReport& a, const TargetReport& b) {
  const auto badness = [](const TargetReport& target) {
    const int severity = target.verdict.severity ? static_cast<int>(*target.verdict.severity) : -1;
    return std::make_tuple(severity, target.rss_growth_bytes_per_minute.value_or(0),
                           target.outstanding_bytes);
  };
  return badness(a) > badness(b);
}

bool stack_matches(const Frames& frames, const Pattern& pattern) {
  return std::any_of(frames.begin(), frames.end(), [&](const Frame& frame) {
    return pattern.is_in(frame.function) || pattern.is_in(frame.file) ||
           pattern.is_in(frame.module);
  });
}

bool leads(const HeldReport& row, const Report& report) {
  constexpr double least_share = 0.1;
  const bool leaks = row.verdict.severity && is_leak(*row.verdict.severity);
  if (row.target >= report.targets.size() || !row.note.empty() || leaks)
    return true;
  const auto growth = report.targets[row.target].rss_growth_bytes_per_minute;
  return row.growth_bytes_per_minute.value_or(0) >= least_share * std::max(growth.value_or(0), 0.0);
}

bool explains_growth(double held_bytes_per_minute, const TargetReport& target) {
  constexpr double least_share = 0.25;
  return held_bytes_per_minute > 0 &&
         held_bytes_per_minute >= least_share * target.rss_growth_bytes_per_minute.value_or(0);
}

void put_pools_behind(Report& report) {
  std::vector<double> held(report.targets.size());
  for (const HeldReport& row : report.held)
    held.at(row.target) += row.growth_bytes_per_minute.value_or(0);
  for (SiteReport& site : report.sites)
    site.behind = site.key.kind == LEAKBPF_KIND_PYTHON &&
                  explains_growth(held.at(site.target), report.targets[site.target]);
}

void arrange(Report& report, const Arrangement& arrangement) {
  std::vector<SiteReport>& sites = report.sites;
  if (arrangement.filter) {
    std::erase_if(sites, [&](const SiteReport& site) {
      return !stack_matches(site.frames, *arrangement.filter);
    });
    std::erase_if(report.held, [&](const HeldReport& row) {
      return !stack_matches(held_frames(row), *arrangement.filter);
    });
  }
  if (arrangement.rows != 0)
    std::erase_if(sites,
                  [](const SiteReport& site) { return site.totals.outstanding_count() == 0; });
  if (arrangement.group_by != GroupBy::stack)
    sites = merge_sites(std::move(sites), arrangement.group_by, [&](const SiteReport& site) {
      return group_of(report, arrangement.group_by, site);
    });
  put_pools_behind(report);
  arrange_held(report, arrangement.group_by);
  grade_by_targets(report);
  report.site_count = sites.size();
  switch (arrangement.culprits) {
  case CulpritRows::joined:
    return join_culprits(report, site_order(arrangement.sort), arrangement.rows);
  case CulpritRows::together:
    return rank_by_culprit(report, site_order(arrangement.sort));
  default:
    break;
  }
  std::sort(sites.begin(), sites.end(), site_order(arrangement.sort));
  if (arrangement.rows != 0 && sites.size() > arrangement.rows)
    sites.erase(sites.begin() + static_cast<std::ptrdiff_t>(arrangement.rows), sites.end());
  for (std::size_t i = 0; i < sites.size(); i++)
    sites[i].rank = i + 1;
}

} // namespace leakbpf
