// SPDX-License-Identifier: Apache-2.0
#include "report/report_maker.h"

#include "core/culprit.h"
#include "core/one_ladder.h"
#include "core/suppress.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

namespace leakbpf {

namespace {

// Plots of more sites than these are not looked at.
constexpr std::size_t most_series = 200;
// That leak, and that come and go, each.
constexpr std::size_t most_compared = 200;

/// As the row's numbers are.
std::vector<std::uint64_t> scaled_series(std::vector<std::uint64_t> series, double scale) {
  if (scale < 1)
    for (std::uint64_t& bytes : series)
      bytes = static_cast<std::uint64_t>(std::llround(static_cast<double>(bytes) * scale));
  return series;
}

} // namespace

Report ReportMaker::make(const RawSnapshot& raw, std::size_t rows, const SiteOrder& order,
                         const Measure& measure_resident) {
  Report report = raw.head;
  TargetIndex index;
  const bool whole = rows == 0;
  std::vector<SiteReport> sites = living_rows(raw, whole, report, index);
  if (whole)
    add_all_ended(raw, report, sites, index);
  else
    add_worst_ended(raw, report, rows, order, index);
  holders_.put_behind(report, sites, index);
  compare_paths(sites);
  report.sites =
      first_of(grouped(std::move(sites), whole), whole ? 0 : rows, order, report.site_count);
  if (raw.is_last && options_.group_by == GroupBy::stack) {
    measure_resident(report.sites);
    std::sort(report.sites.begin(), report.sites.end(), order);
  }
  finish_rows(raw, report, index);
  holders_.add(report, index);
  grade_by_targets(report);
  report.targets_left_out = raw.targets.size() + ended_.size() - report.targets.size();
  if (whole) // no table shows them
    report.series_times = growth_.site_times();
  return report;
}

/// The first `rows`, 0: all, with those of ended targets; `count`: how many there are.
std::vector<SiteReport> ReportMaker::first_of(std::vector<SiteReport> sites, std::size_t rows,
                                              const SiteOrder& order, std::size_t& count) const {
  count = sites.size();
  if (rows != 0) {
    count += ended_rows_.row_count();
    sites.insert(sites.end(), ended_rows_.best().begin(), ended_rows_.best().end());
  }
  const std::size_t shown = rows == 0 ? sites.size() : std::min(rows, sites.size());
  std::partial_sort(sites.begin(), sites.begin() + static_cast<std::ptrdiff_t>(shown), sites.end(),
                    order);
  sites.erase(sites.begin() + static_cast<std::ptrdiff_t>(shown), sites.end());
  return sites;
}

/// With the sums of their rows; `index` says where each is.
std::vector<TargetReport> ReportMaker::target_rows(const RawSnapshot& raw,
                                                   const std::vector<SiteReport>& sites,
                                                   TargetIndex& index) {
  std::vector<TargetReport> rows;
  for (const auto& [id, target] : raw.targets) {
    index[id] = rows.size();
    rows.push_back(target.report);
  }
  for (const SiteReport& site : sites) {
    if (!is_summed(site.key, raw.by_pages))
      continue;
    TargetReport& row = rows[index[site.key.target]];
    row.outstanding_bytes += site.totals.outstanding_bytes();
    row.outstanding_count += site.totals.outstanding_count();
  }
  return rows;
}

/// Of the targets, without names, the busiest first.
std::vector<SiteReport>
ReportMaker::what_comes_and_goes(const std::unordered_set<std::uint32_t>& targets) const {
  std::vector<std::pair<std::uint64_t, SiteKey>> busiest;
  for (const auto& [key, site] : ledger_.sites())
    if (targets.contains(key.target) && !(site.trend && site.trend->sustained()) &&
        comes_and_goes(site.totals))
      busiest.emplace_back(site.totals.allocated_count, key);
  std::sort(busiest.begin(), busiest.end(), std::greater<>());
  busiest.resize(std::min(busiest.size(), most_compared));
  std::vector<SiteReport> rows(busiest.size());
  for (std::size_t i = 0; i < rows.size(); i++) {
    rows[i].key = busiest[i].second;
    rows[i].totals = ledger_.find(rows[i].key)->totals;
  }
  return rows;
}

/// What leaks is set against what comes and goes in the same processes: with the names of the
/// busiest stacks only, as there may be thousands.
void ReportMaker::compare_paths(const std::vector<SiteReport>& sites) {
  std::vector<SiteReport> compared;
  std::unordered_set<std::uint32_t> leaking;
  for (const SiteReport& site : sites)
    if (grows(site.verdict.severity) && compared.size() < most_compared) {
      compared.push_back(site);
      leaking.insert(site.key.target);
    }
  std::vector<SiteReport> others = what_comes_and_goes(leaking);
  std::move(others.begin(), others.end(), std::back_inserter(compared));
  labels_.compare(std::move(compared));
}

/// A table has no use for rows of nothing; a snapshot keeps their totals.
bool ReportMaker::is_dropped(const SiteReport& site, bool only_outstanding) const {
  const bool too_young = options_.min_age_seconds > 0 &&
                         site.oldest_age_seconds.value_or(0) < options_.min_age_seconds;
  return too_young || (only_outstanding && site.totals.outstanding_count() == 0);
}

/// Rows and targets that are not settled.
std::vector<SiteReport> ReportMaker::living_rows(const RawSnapshot& raw, bool whole, Report& report,
                                                 TargetIndex& index) {
  std::vector<SiteReport> sites = rows_.make(raw, wanted_rows(raw, whole));
  report.targets = target_rows(raw, sites, index);
  judge_.suppress(sites, labels_, raw, whole, report.suppressed);
  holders_.find(report.suppressed);
  judge_.weigh(sites, raw);
  holders_.weigh();
  judge_.weigh_replaced(raw);
  const Losses losses = losses_for_verdict(raw.counted, raw.allocated_count);
  for (const auto& [id, target] : raw.targets)
    judge_.judge(target, raw, losses, report.targets[index[id]]);
  judge_.drop_explained_pages(sites, raw);
  std::erase_if(sites, [&](const SiteReport& site) {
    return labels_.is_filtered_out(site.key) || is_dropped(site, !whole);
  });
  for (SiteReport& site : sites)
    if (const Trend* trend = site.verdict.severity ? nullptr : rows_.trend_of(site.key);
        trend && trend->sustained())
      judge_.judge(site);
  return sites;
}

/// What rules hide is counted, though it holds nothing.
SiteRows::Wanted ReportMaker::wanted_rows(const RawSnapshot& raw, bool whole) const {
  if (whole || raw.is_last)
    return SiteRows::Wanted::whole;
  return options_.has_suppressions ? SiteRows::Wanted::known : SiteRows::Wanted::shown;
}

/// One row for each stack, or for what they have in common.
std::vector<SiteReport> ReportMaker::grouped(std::vector<SiteReport> sites, bool whole) {
  const GroupBy by = options_.group_by;
  const auto group = [this](const SiteReport& site) { return labels_.group_of(site.key); };
  if (by == GroupBy::stack)
    return sites;
  if (whole || by == GroupBy::process)
    return merge_sites(std::move(sites), by, group);
  SiteMerger merger(by);
  for (SiteReport& site : sites) {
    GroupFrame frame = labels_.group_of(site.key);
    merger.add(std::move(site), std::move(frame));
  }
  return merger.rows_with(ended_rows_.merged());
}

/// What only rows that are shown need.
void ReportMaker::finish_rows(const RawSnapshot& raw, Report& report, TargetIndex& index) {
  for (std::size_t i = 0; i < report.sites.size(); i++) {
    SiteReport& site = report.sites[i];
    const EndedTarget* ended = ended_.find(site.key.target);
    if (ended && index.emplace(ended->id, report.targets.size()).second)
      report.targets.push_back(ended_report(raw, *ended));
    site.rank = i + 1;
    site.target = index[site.key.target];
    if (options_.group_by == GroupBy::stack) {
      if (!ended) // else it was judged when it was settled
        judge_.judge(site);
      if (i < most_series)
        site.series = scaled_series(growth_.site_series(site.key), site.scale);
    }
    labels_.name(site);
  }
}

/// The row of a site, if it is shown.
std::optional<SiteReport> ReportMaker::ended_row(const EndedTarget& target, const EndedSite& site,
                                                 bool whole, Suppressed& suppressed) {
  SiteReport row = site.row(target.report.pid);
  const bool sustained = grows(row.verdict.severity);
  if (const Suppression* rule = labels_.hidden_by(row.key, sustained, whole)) {
    count_suppressed(suppressed, *rule, row.totals);
    return std::nullopt;
  }
  if (is_dropped(row, !whole) || labels_.is_filtered_out(row.key))
    return std::nullopt;
  if (options_.group_by != GroupBy::stack && !sustained) { // of many, nobody asks why
    row.verdict.reasons.clear();
    row.score.reset();
  }
  return row;
}

/// Its children may still take their share of what following them all costs.
TargetReport ReportMaker::ended_report(const RawSnapshot& raw, const EndedTarget& target) {
  TargetReport report = target.report;
  if (const auto cost = raw.group_costs.find(target.group);
      report.overhead && cost != raw.group_costs.end())
    report.overhead = cost->second;
  return report;
}

/// In the order in which they began, as targets are.
void ReportMaker::add_all_ended(const RawSnapshot& raw, Report& report,
                                std::vector<SiteReport>& sites, TargetIndex& index) {
  std::map<std::uint32_t, TargetReport> by_id;
  for (const auto& [id, at] : index)
    by_id.emplace(id, std::move(report.targets[at]));
  for (const auto& [id, target] : ended_.all()) {
    by_id.emplace(id, ended_report(raw, target));
    for (const EndedSite& site : target.sites)
      if (auto row = ended_row(target, site, true, report.suppressed))
        sites.push_back(std::move(*row));
  }
  report.targets.clear();
  for (auto& [id, target] : by_id) {
    index[id] = report.targets.size();
    report.targets.push_back(std::move(target));
  }
}

void ReportMaker::add_worst_ended(const RawSnapshot& raw, Report& report, std::size_t rows,
                                  const SiteOrder& order, TargetIndex& index) {
  ended_rows_.update(
      ended_, {rows, order, options_.group_by,
               [this](const EndedTarget& target, const EndedSite& site, Suppressed& suppressed) {
                 return ended_row(target, site, false, suppressed);
               },
               [this](const SiteReport& site) { return labels_.group_of(site.key); }});
  add_suppressed(report.suppressed, ended_rows_.suppressed());
  for (const std::uint32_t id : ended_rows_.worst()) {
    index[id] = report.targets.size();
    report.targets.push_back(ended_report(raw, *ended_.find(id)));
  }
}

} // namespace leakbpf
