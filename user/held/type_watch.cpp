// SPDX-License-Identifier: Apache-2.0
#include "held/type_watch.h"

#include <algorithm>

namespace leakbpf {

namespace {

/// Fewer objects more are no growth, and such a share of what there is.
constexpr double least_type_rise = 50;
constexpr double least_type_share = 0.02;

} // namespace

void TypeWatch::add(const Census& census, double t) {
  if (!counts_.begin_sample(t))
    return;
  last_ = census.types;
  for (std::size_t i = 0; i < last_.size(); i++) {
    const auto number = static_cast<TypeNumber>(i);
    if (types_[number].has(type_flag::collected)) // others hold nothing
      counts_.put(number, static_cast<double>(last_[i].objects));
  }
}

bool TypeWatch::has_risen(TypeNumber type, std::vector<double>& counts) const {
  if (!counts_.read(type, counts) || counts.size() < counts_.times().size())
    return false;
  const double most = *std::max_element(counts.begin(), counts.end());
  return counts.back() - counts.front() >= std::max(least_type_rise, least_type_share * most);
}

std::vector<TypeNumber> TypeWatch::risen() const {
  std::vector<TypeNumber> risen;
  std::vector<double> counts;
  for (std::size_t i = 0; i < last_.size(); i++)
    if (has_risen(static_cast<TypeNumber>(i), counts))
      risen.push_back(static_cast<TypeNumber>(i));
  return risen;
}

std::vector<GrowingType> TypeWatch::growing(double from) const {
  std::vector<GrowingType> growing;
  std::vector<double> counts;
  for (const TypeNumber type : risen()) {
    counts_.read(type, counts);
    const TypeCount& last = last_[type];
    const auto objects = static_cast<double>(last.objects);
    const auto trend = trend_of(counts_.times(), counts, from,
                                std::max(least_type_rise, least_type_share * objects));
    if (trend && trend->sustained())
      growing.push_back({type, last.objects, static_cast<double>(last.bytes) / objects, *trend});
  }
  return growing;
}

EntrySeries TypeWatch::series(TypeNumber type) const {
  EntrySeries series;
  std::vector<double> counts;
  if (!counts_.read(type, counts))
    return series;
  series.times = counts_.times();
  series.times.resize(std::min(series.times.size(), counts.size()));
  for (std::size_t i = 0; i < series.times.size(); i++)
    series.entries.push_back(static_cast<std::uint64_t>(counts[i]));
  return series;
}

} // namespace leakbpf
