// SPDX-License-Identifier: Apache-2.0
#include "core/trend.h"

#include <algorithm>
#include <cmath>
#include <span>

namespace leakbpf {

namespace {

constexpr std::size_t most_blocks = 12;
constexpr std::size_t fewest_blocks = 7; // fewer cannot reach the confidence that is asked for
constexpr std::size_t points_per_block = 3;
// Quantiles of the normal distribution, one-sided.
constexpr double likely = 1.282;       // 10 percent
constexpr double certain = 2.326;      // 1 percent
constexpr double very_certain = 2.807; // 0.25 percent
// How far noise alone makes the lowest of a few later levels lie below an earlier one, in standard
// deviations.
constexpr double noise_fall = 3;
// A fall back by this part of all that was gained is no detour of a growth.
constexpr double most_fall = 0.4;
// Growth that has come down to this part of what it was is said to have stopped.
constexpr double stopped = 0.25;
// Growth that has come down to this part slows.
constexpr double slower = 0.6;

struct Level {
  double time = 0;
  double value = 0;
};
using Levels = std::span<const Level>;

/// Of a series, from the end of the warm-up on.
struct Points {
  std::span<const double> times;
  std::span<const double> values;
};

Points points_from(const std::vector<double>& times, const std::vector<double>& values,
                   double from) {
  const std::size_t count = std::min(times.size(), values.size());
  const auto end = times.begin() + static_cast<std::ptrdiff_t>(count);
  const auto first =
      static_cast<std::size_t>(std::lower_bound(times.begin(), end, from) - times.begin());
  return {std::span(times).subspan(first, count - first),
          std::span(values).subspan(first, count - first)};
}

double median(std::vector<double>& numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  if (numbers.size() % 2 == 1)
    return *middle;
  return (*middle + *std::max_element(numbers.begin(), middle)) / 2;
}

double lower_quartile(std::vector<double>& numbers) {
  const auto quarter = numbers.begin() + static_cast<std::ptrdiff_t>((numbers.size() - 1) / 4);
  std::nth_element(numbers.begin(), quarter, numbers.end());
  return *quarter;
}

/// The points, as they are when there are few.
std::vector<Level> levels_of(const Points& points, std::size_t blocks, std::size_t most_levels) {
  std::vector<Level> levels;
  const std::size_t count = points.times.size();
  if (count < fewest_blocks * 2 && count <= most_levels) {
    for (std::size_t i = 0; i < count; i++)
      levels.push_back({points.times[i], points.values[i]});
    return levels;
  }
  blocks = std::min(
      {blocks, most_levels, std::clamp(count / points_per_block, fewest_blocks, most_blocks)});
  const double begin = points.times.front();
  const double length = (points.times.back() - begin) / static_cast<double>(blocks);
  std::vector<double> block;
  std::size_t i = 0;
  for (std::size_t b = 0; b < blocks; b++) {
    const double end = begin + length * static_cast<double>(b + 1);
    block.clear();
    for (; i < count && (points.times[i] < end || b + 1 == blocks); i++)
      block.push_back(points.values[i]);
    if (!block.empty()) // an interrupted run has gaps
      levels.push_back({end - length / 2, lower_quartile(block)});
  }
  return levels;
}

/// Ascending.
std::vector<double> pair_slopes(Levels levels) {
  std::vector<double> slopes;
  slopes.reserve(levels.size() * (levels.size() - 1) / 2);
  for (std::size_t i = 0; i < levels.size(); i++)
    for (std::size_t j = i + 1; j < levels.size(); j++)
      if (levels[j].time > levels[i].time)
        slopes.push_back((levels[j].value - levels[i].value) / (levels[j].time - levels[i].time));
  std::sort(slopes.begin(), slopes.end());
  return slopes;
}

double middle_of(const std::vector<double>& sorted) {
  if (sorted.empty())
    return 0;
  const std::size_t half = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/// Standard deviation of the levels around their curve.
double noise_of(Levels levels) {
  std::vector<double> bends;
  for (std::size_t i = 1; i + 1 < levels.size(); i++)
    bends.push_back(std::abs(levels[i - 1].value - 2 * levels[i].value + levels[i + 1].value));
  if (bends.empty())
    return 0;
  constexpr double normal_quartile = 0.6745;
  return median(bends) / (normal_quartile * std::sqrt(6.0));
}

/// Standard error of a slope over `levels`, whose own noise is `noise`.
double slope_error(Levels levels, double noise) {
  double mean = 0;
  for (const Level& level : levels)
    mean += level.time / static_cast<double>(levels.size());
  double squares = 0;
  for (const Level& level : levels)
    squares += (level.time - mean) * (level.time - mean);
  return squares > 0 ? noise / std::sqrt(squares) : 0;
}

struct MannKendall {
  double score = 0;    ///< standard normal without a trend
  double variance = 0; ///< of the sum of signs
  double tau = 0;
};

MannKendall mann_kendall(Levels levels) {
  const auto n = static_cast<double>(levels.size());
  double sum = 0;
  for (std::size_t i = 0; i < levels.size(); i++)
    for (std::size_t j = i + 1; j < levels.size(); j++)
      sum += levels[j].value > levels[i].value ? 1 : levels[j].value < levels[i].value ? -1 : 0;
  MannKendall test;
  test.variance = n * (n - 1) * (2 * n + 5) / 18;
  test.tau = sum / (n * (n - 1) / 2);
  const double continuous = sum > 0 ? sum - 1 : sum < 0 ? sum + 1 : 0;
  test.score = continuous / std::sqrt(test.variance);
  return test;
}

/// The deepest fall from a level to a later one.
double deepest_fall(Levels levels) {
  double highest = levels.front().value;
  double fall = 0;
  for (const Level& level : levels) {
    highest = std::max(highest, level.value);
    fall = std::max(fall, highest - level.value);
  }
  return fall;
}

void take_bounds(Trend& trend, const std::vector<double>& slopes, double variance) {
  if (slopes.empty())
    return;
  const double width = certain * std::sqrt(variance);
  const auto count = static_cast<double>(slopes.size());
  const auto at = [&](double index) {
    return slopes[static_cast<std::size_t>(std::clamp(index, 0.0, count - 1))];
  };
  trend.lower = at(std::floor((count - width) / 2));
  trend.upper = at(std::ceil((count + width) / 2));
}

/// A third of the levels and the one beside it, since a slope is of steps.
Levels first_third(Levels levels) {
  return levels.first(levels.size() / 3 + 1);
}
Levels last_third(Levels levels) {
  return levels.last(levels.size() / 3 + 1);
}

TrendShape shape_of(const Trend& trend, Levels levels, double score, double last_rate,
                    double least_rise) {
  const double noise = noise_of(levels);
  const double error = slope_error(last_third(levels), noise);
  const double overall = trend.rise / std::max(levels.back().time - levels.front().time, 1e-9);
  const double fall = deepest_fall(levels) - noise_fall * noise;
  if (fall > std::max(most_fall * trend.rise, least_rise))
    return TrendShape::up_and_down;
  if (trend.rise < least_rise || score < very_certain || trend.lower <= 0 ||
      fall > most_fall * trend.rise)
    return TrendShape::flat;
  const bool surely = last_rate <= 0 || last_rate + error * likely < 2 * stopped * overall;
  if (last_rate < stopped * overall && surely)
    return TrendShape::levelled;
  const bool bends = trend.first_rate - last_rate > certain * std::sqrt(2.0) * error;
  return bends && last_rate < slower * trend.first_rate ? TrendShape::slowing : TrendShape::growing;
}

/// One step, however large, is no faster growth: most of the steps have to be.
double rate_of_last_third(Levels levels, double overall) {
  const Levels last = last_third(levels);
  const double rate = middle_of(pair_slopes(last));
  if (rate <= overall)
    return rate;
  std::vector<double> steps;
  for (std::size_t i = 1; i < last.size(); i++)
    if (last[i].time > last[i - 1].time)
      steps.push_back((last[i].value - last[i - 1].value) / (last[i].time - last[i - 1].time));
  std::sort(steps.begin(), steps.end());
  return std::max(std::min(rate, middle_of(steps)), overall);
}

void look_closely(Trend& trend, Levels levels, const std::vector<double>& slopes,
                  double least_rise) {
  const MannKendall test = mann_kendall(levels);
  trend.tau = test.tau;
  take_bounds(trend, slopes, test.variance);
  trend.first_rate = middle_of(pair_slopes(first_third(levels)));
  const double last_rate = rate_of_last_third(levels, trend.rate);
  trend.shape = shape_of(trend, levels, test.score, last_rate, least_rise);
  const double error = slope_error(last_third(levels), noise_of(levels));
  const bool changed = trend.sustained() && std::abs(last_rate - trend.rate) > certain * error;
  // Of what goes up and down, the last third is but where in its course it is.
  if (changed || trend.shape == TrendShape::levelled || trend.shape == TrendShape::slowing)
    trend.rate = last_rate;
  trend.projected = trend.rate;
  // The thirds' middles are two thirds of the span apart: the same again, one and a half times.
  if (trend.shape == TrendShape::slowing)
    trend.projected = last_rate * std::pow(last_rate / trend.first_rate, 1.5);
}

} // namespace

double warm_up_seconds(double run_seconds) {
  // A run of a few seconds has no room for the usual 5 s.
  return std::min(std::max(run_seconds * 0.2, 5.0), run_seconds * 0.5);
}

Trend Trend::scaled(double factor) const {
  Trend scaled = *this;
  for (double* bytes : {&scaled.rate, &scaled.first_rate, &scaled.projected, &scaled.lower,
                        &scaled.upper, &scaled.rise})
    *bytes *= factor;
  return scaled;
}

std::optional<Trend> trend_of(const std::vector<double>& times, const std::vector<double>& values,
                              double from, double least_rise, std::size_t most_levels) {
  const Points points = points_from(times, values, from);
  if (points.times.size() < 3)
    return std::nullopt;
  // Of thousands of sites most hold too little, or too steadily, to be looked at more closely.
  const auto [least, most] = std::minmax_element(points.values.begin(), points.values.end());
  const bool small = *most - *least < least_rise;
  const std::vector<Level> all =
      levels_of(points, small ? fewest_blocks : most_blocks, most_levels);
  const Levels levels(all);
  if (levels.size() < 3)
    return std::nullopt;
  Trend trend;
  trend.span_seconds = points.times.back() - points.times.front();
  trend.rise = levels.back().value - levels.front().value;
  trend.intervals = levels.size() - 1;
  for (std::size_t i = 1; i < levels.size(); i++)
    trend.rises += levels[i].value > levels[i - 1].value ? 1U : 0U;
  const std::vector<double> slopes = pair_slopes(levels);
  trend.rate = trend.first_rate = trend.projected = middle_of(slopes);
  if (levels.size() < fewest_blocks)
    return trend;
  trend.shape = TrendShape::flat;
  if (!small)
    look_closely(trend, levels, slopes, least_rise);
  return trend;
}

} // namespace leakbpf
