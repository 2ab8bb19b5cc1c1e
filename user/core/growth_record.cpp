// SPDX-License-Identifier: Apache-2.0
#include "core/growth_record.h"

#include "core/verdict.h"

#include <algorithm>

namespace leakbpf {

namespace {

constexpr double survival_seconds = 30;

/// The end of the warm-up of what is known at the first `known` of `times`.
double end_of_warm_up(const std::vector<double>& times, std::size_t known, double since) {
  // A target that has ended has a run of its own.
  const double until = times[std::min(times.size(), known) - 1];
  return since + warm_up_seconds(until - since);
}

} // namespace

void GrowthRecord::begin_sample(double t) {
  keep_outstanding_ = outstanding_.begin_sample(t);
  kept_samples_ += keep_outstanding_ ? 1 : 0;
  keep_allocated_ = allocated_.begin_sample(t);
  keep_parts_ = parts_.begin_sample(t);
}

void GrowthRecord::put_site(const SiteKey& key, const SiteTotals& totals) {
  if (keep_outstanding_)
    outstanding_.put(key, static_cast<double>(totals.outstanding_bytes()));
  if (keep_allocated_)
    allocated_.put(key, static_cast<double>(totals.allocated_bytes));
}

void GrowthRecord::put_target(std::uint32_t target, TargetSeries which, double bytes) {
  if (keep_parts_)
    parts_.put({target, which}, bytes);
}

void GrowthRecord::put_site_after_gap(const SiteKey& key, const SiteTotals& totals) {
  if (keep_outstanding_)
    outstanding_.put_after_gap(key, static_cast<double>(totals.outstanding_bytes()));
  if (keep_allocated_)
    allocated_.put_after_gap(key, static_cast<double>(totals.allocated_bytes));
}

void GrowthRecord::put_target_after_gap(std::uint32_t target, TargetSeries which, double bytes) {
  if (keep_parts_)
    parts_.put_after_gap({target, which}, bytes);
}

void GrowthRecord::forget_memory(std::uint32_t target) {
  for (const auto which : {TargetSeries::memory, TargetSeries::anonymous, TargetSeries::file,
                           TargetSeries::shared, TargetSeries::swapped, TargetSeries::outstanding})
    parts_.forget({target, which});
}

void GrowthRecord::forget(std::uint32_t target, std::span<const SiteKey> sites) {
  forget_memory(target);
  parts_.forget({target, TargetSeries::looks});
  for (const SiteKey& key : sites) {
    outstanding_.forget(key);
    allocated_.forget(key);
  }
}

std::optional<Trend> GrowthRecord::site_trend(const SiteKey& key, double since) const {
  std::vector<double> values;
  if (!outstanding_.read(key, values) || values.empty())
    return std::nullopt;
  const std::vector<double>& times = outstanding_.times();
  const double from = end_of_warm_up(times, values.size(), since);
  if (key.kind != LEAKBPF_KIND_PYTHON)
    return trend_of(times, values, from, least_rise_bytes);
  return trend_of(times, values, from, least_rise_bytes, looks_after(key.target, from));
}

std::size_t GrowthRecord::looks_after(std::uint32_t target, double from) const {
  std::vector<double> looks;
  if (!parts_.read({target, TargetSeries::looks}, looks) || looks.empty())
    return 0;
  const auto& times = parts_.times();
  const auto first = std::lower_bound(times.begin(), times.end(), from) - times.begin();
  const std::size_t before = std::min(static_cast<std::size_t>(first), looks.size() - 1);
  return static_cast<std::size_t>(looks.back() - looks[before]) + 1;
}

std::optional<Trend> GrowthRecord::target_trend(std::uint32_t target, TargetSeries which,
                                                double since) const {
  std::vector<double> values;
  if (!parts_.read(PartKey{target, which}, values) || values.empty())
    return std::nullopt;
  const double from = end_of_warm_up(parts_.times(), values.size(), since);
  return trend_of(parts_.times(), values, from, least_rise_bytes);
}

std::optional<SurvivalMark> GrowthRecord::survival_mark(double now) const {
  const std::vector<double>& times = allocated_.times();
  const double latest = now - std::min(survival_seconds, now / 3);
  const auto after = std::upper_bound(times.begin(), times.end(), latest);
  if (after == times.begin())
    return std::nullopt;
  const auto index = static_cast<std::size_t>(after - times.begin()) - 1;
  return SurvivalMark{times[index], index};
}

double GrowthRecord::allocated_at(const SurvivalMark& mark, const SiteKey& key) const {
  return allocated_.value_at(key, mark.index).value_or(0);
}

std::vector<std::uint64_t> GrowthRecord::site_series(const SiteKey& key) const {
  std::vector<std::uint64_t> series;
  if (const auto values = outstanding_.values(key)) {
    series.reserve(outstanding_.times().size());
    for (const double value : *values)
      series.push_back(static_cast<std::uint64_t>(value));
    if (!series.empty()) // a site that was not seen lately stays where it was
      series.resize(outstanding_.times().size(), series.back());
  }
  return series;
}

} // namespace leakbpf
