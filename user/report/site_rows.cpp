// SPDX-License-Identifier: Apache-2.0
#include "report/site_rows.h"

#include "core/sampling.h"

#include <algorithm>
#include <cmath>

namespace leakbpf {

namespace {

/// Bytes a second, at the most, as far as is known.
double growth_rate_of(const SiteTotals& totals, const Trend* trend, double seconds) {
  const double mean = static_cast<double>(totals.outstanding_bytes()) / std::max(seconds, 1.0);
  return std::max(mean, trend ? trend->rate : 0);
}

/// Most sites do not grow, and of those that are not shown nobody asks why.
void judge_briefly(SiteReport& row, const Trend& trend) {
  if (trend.shape != TrendShape::too_short && !trend.sustained())
    row.verdict.severity = Severity::none;
}

/// Mappings are followed one and all. Which small objects a Python site holds is inferred from
/// pointers, with no known error.
void estimate(SiteReport& row, const RawTarget& target) {
  row.standard_error_bytes = 0;
  if (row.key.kind == LEAKBPF_KIND_PYTHON) {
    row.estimated = true;
    row.standard_error_bytes.reset();
  } else if (row.key.kind == LEAKBPF_KIND_PAGES) {
    row.estimated = true;
    row.standard_error_bytes = page_sampling_error(
        static_cast<double>(row.totals.outstanding_count()), LEAKBPF_PAGES_PER_SAMPLE);
  } else if (row.key.kind == LEAKBPF_KIND_HEAP) {
    const WindowState& window = target.window;
    row.estimated = window.mean_bytes > 1 || window.limited;
    const auto bytes = static_cast<double>(row.totals.outstanding_bytes());
    const auto count = static_cast<double>(row.totals.outstanding_count());
    // Blocks with mappings of their own are known all the time.
    const bool mapped = row.totals.is_of_mapped_blocks() && target.maps_blocks;
    if (row.estimated && !mapped)
      row.standard_error_bytes =
          sampling_error(bytes, count, window.mean_bytes, 1.0 / window.scale);
  }
}

/// What blocks of the last window stand for nobody knows until the next, nor what was taken since.
void add_window_error(SiteReport& row, const SiteLedger::Site& site, const RawTarget& target) {
  if (row.key.kind != LEAKBPF_KIND_HEAP || row.standard_error_bytes.value_or(0) <= 0)
    return;
  const double rate = growth_rate_of(site.totals, site.trend.get(), target.until - target.since);
  row.standard_error_bytes =
      std::hypot(*row.standard_error_bytes, static_cast<double>(site.withheld_bytes),
                 target.window.uncovered_seconds * rate);
}

} // namespace

std::vector<SiteReport> SiteRows::make(const RawSnapshot& raw, Wanted wanted) {
  const bool whole = wanted == Wanted::whole;
  const auto has_row = [&](const Site& site) {
    return site.is_known() && (wanted != Wanted::shown || site.totals.outstanding_count() > 0 ||
                               (site.trend && site.trend->sustained()));
  };
  auto& sites = ledger_.sites();
  std::vector<SiteReport> rows;
  rows.reserve(static_cast<std::size_t>(std::count_if(
      sites.begin(), sites.end(), [&](const auto& each) { return has_row(each.second); })));
  for (auto& [key, site] : sites) {
    const auto target = raw.targets.find(key.target);
    if (target == raw.targets.end() || !site.is_known() ||
        (key.kind == LEAKBPF_KIND_PAGES && !target->second.has_rows_of_pages))
      continue;
    if (whole || site.grew)
      renew_trend(key, site, target->second, whole);
    if (has_row(site))
      rows.push_back(row_of(key, site, target->second, raw));
  }
  std::unordered_map<std::uint32_t, MeasuredMemory> measured_of;
  for (const auto& [id, target] : raw.targets)
    measured_of.emplace(id, measured(target));
  reconcile(rows, measured_of);
  return rows;
}

std::vector<SiteReport> SiteRows::make_last(const RawSnapshot& raw, const RawTarget& target,
                                            const std::vector<SiteKey>& sites) {
  std::vector<SiteReport> rows;
  rows.reserve(sites.size());
  for (const SiteKey& key : sites) {
    Site& site = ledger_.sites().at(key);
    renew_trend(key, site, target, true);
    rows.push_back(row_of(key, site, target, raw));
  }
  reconcile(rows, {{target.id, measured(target)}});
  return rows;
}

const Trend* SiteRows::trend_of(const SiteKey& key) const {
  const Site* const site = ledger_.find(key);
  return site ? site->trend.get() : nullptr;
}

/// The site's trend, once the record has a new sample. In a table that is made each second, that of
/// a site which neither grows for sure nor moved much may be that of some samples ago.
void SiteRows::renew_trend(const SiteKey& key, Site& site, const RawTarget& target, bool whole) {
  constexpr std::size_t most_samples = 8;
  const std::uint64_t bytes = site.totals.outstanding_bytes();
  const std::size_t age = growth_.kept_samples() - site.trend_of;
  if (site.trend_of != 0 && age == 0)
    return;
  const std::uint64_t moved = std::max(bytes, site.trend_bytes) - std::min(bytes, site.trend_bytes);
  if (!whole && site.trend && !site.trend->sustained() && age < most_samples &&
      static_cast<double>(moved) < least_rise_bytes / most_samples)
    return;
  site.trend_of = growth_.kept_samples();
  site.trend_bytes = bytes;
  const bool from_pages = key.kind == LEAKBPF_KIND_PAGES && target.pages_since;
  const auto trend = growth_.site_trend(key, from_pages ? *target.pages_since : target.since);
  if (!trend)
    site.trend.reset();
  else if (site.trend)
    *site.trend = *trend;
  else
    site.trend = std::make_unique<Trend>(*trend);
}

SiteReport SiteRows::row_of(const SiteKey& key, const Site& site, const RawTarget& target,
                            const RawSnapshot& raw) const {
  SiteReport row;
  row.pid = target.report.pid;
  row.key = key;
  row.totals = site.totals;
  estimate(row, target);
  add_window_error(row, site, target);
  if (site.trend) {
    // What has all been given back does not grow, however much of it there was at times.
    const bool is_empty = row.totals.outstanding_bytes() == 0;
    row.growth_bytes_per_minute =
        (is_empty ? std::min(site.trend->rate, 0.0) : site.trend->rate) * 60;
    judge_briefly(row, *site.trend);
  }
  row.reach = reach_(key);
  const SiteAges* const ages = ages_of(key, site);
  if (!ages || ages->histogram.empty())
    return row;
  row.oldest_age_seconds = ages->histogram.oldest_seconds();
  row.median_age_seconds = ages->histogram.median_seconds();
  if (row.standard_error_bytes && ages->old_survival_percent) {
    row.old_survival_percent = ages->old_survival_percent;
    row.survival_age_seconds = raw.survival_age;
  }
  return row;
}

/// Of what a heap block holds in Python's pools, those of the block.
const SiteAges* SiteRows::ages_of(const SiteKey& key, const Site& site) const {
  if (site.ages || key.kind != LEAKBPF_KIND_PYTHON)
    return site.ages.get();
  const Site* const holder = ledger_.find({key.target, LEAKBPF_KIND_HEAP, key.stack_hash});
  return holder ? holder->ages.get() : nullptr;
}

MeasuredMemory SiteRows::measured(const RawTarget& target) const {
  MeasuredMemory memory;
  memory.resident = target.report.rss_end_bytes.value_or(0);
  memory.python = target.python_pools;
  memory.heap = target.room;
  if (!target.has_rows_of_pages)
    return memory;
  TargetEvidence evidence;
  evidence.memory = growth_.target_trend(target.id, TargetSeries::memory, target.since);
  evidence.anonymous = growth_.target_trend(target.id, TargetSeries::anonymous, target.since);
  if (const auto& trend = judged_memory(evidence); trend && trend->sustained())
    memory.growth = trend->rate * 60;
  return memory;
}

} // namespace leakbpf
