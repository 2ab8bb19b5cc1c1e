// SPDX-License-Identifier: Apache-2.0
#include "core/trend.h"

#include <cmath>
#include <functional>
#include <vector>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Catch::Approx;

struct Series {
  std::vector<double> times;
  std::vector<double> values;
};

Series series_of(int seconds, const std::function<double(double)>& value) {
  Series series;
  for (int t = 0; t <= seconds; t++) {
    series.times.push_back(t);
    series.values.push_back(value(t));
  }
  return series;
}

Trend trend(const Series& series, double from = 0, double least_rise = 1) {
  const auto found = trend_of(series.times, series.values, from, least_rise);
  REQUIRE(found);
  return *found;
}

TEST_CASE("the warm-up is a fifth of a run, at least 5 s, at most half of it", "[trend]") {
  CHECK(warm_up_seconds(300) == Approx(60));
  CHECK(warm_up_seconds(20) == Approx(5));
  CHECK(warm_up_seconds(4) == Approx(2));
  CHECK(warm_up_seconds(0) == 0);
}

TEST_CASE("a line grows at its own rate", "[trend]") {
  const Trend line = trend(series_of(100, [](double t) { return 500 + 3 * t; }));
  CHECK(line.shape == TrendShape::growing);
  CHECK(line.sustained());
  CHECK(line.rate == Approx(3));
  CHECK(line.first_rate == Approx(3).epsilon(0.02));
  CHECK(line.projected == line.rate);
  CHECK(line.lower == Approx(3).epsilon(0.03));
  CHECK(line.upper == Approx(3).epsilon(0.03));
  CHECK(line.tau == Approx(1));
  CHECK(line.rises == line.intervals);
  CHECK(line.span_seconds == Approx(100));
}

TEST_CASE("a constant is flat, and so is what falls", "[trend]") {
  const Trend constant = trend(series_of(100, [](double) { return 42.0; }));
  CHECK(constant.shape == TrendShape::flat);
  CHECK(constant.rate == 0);
  const Trend falling = trend(series_of(100, [](double t) { return 1000 - t; }));
  CHECK_FALSE(falling.sustained());
  CHECK(falling.rate == Approx(-1));
}

TEST_CASE("one burst does not bend the rate", "[trend]") {
  const Trend burst =
      trend(series_of(100, [](double t) { return 2 * t + (t > 40 && t < 46 ? 1e6 : 0); }));
  CHECK(burst.sustained());
  CHECK(burst.rate == Approx(2).epsilon(0.05));
}

TEST_CASE("what is before the warm-up's end is left out", "[trend]") {
  const Trend late = trend(series_of(100, [](double t) { return t < 20 ? 1e6 * t : 2e7 + t; }), 20);
  CHECK(late.rate == Approx(1));
  CHECK(late.span_seconds == Approx(80));
}

TEST_CASE("a rise that is too small is no growth", "[trend]") {
  const Series line = series_of(100, [](double t) { return t; });
  CHECK(trend(line, 0, 90).sustained());
  CHECK_FALSE(trend(line, 0, 200).sustained());
}

TEST_CASE("growth that stops has levelled, and its rate is the present one", "[trend]") {
  const Trend cache = trend(series_of(300, [](double t) { return std::min(t, 180.0) * 1000; }), 60);
  CHECK(cache.shape == TrendShape::levelled);
  CHECK(cache.rate == Approx(0).margin(1));
}

TEST_CASE("growth that begins in mid-run has the rate of its end", "[trend]") {
  const Trend late =
      trend(series_of(300, [](double t) { return t < 150 ? 0 : (t - 150) * 1000; }), 60);
  CHECK(late.shape == TrendShape::growing);
  CHECK(late.rate == Approx(1000).epsilon(0.05));
}

TEST_CASE("logarithmic growth slows down, and is judged by where it leads", "[trend]") {
  const Trend log = trend(series_of(300, [](double t) { return 1e6 * std::log(1 + t / 10); }), 60);
  CHECK(log.shape == TrendShape::slowing);
  CHECK(log.rate < log.first_rate);
  CHECK(log.projected < log.rate);
  CHECK(log.projected > 0);
}

TEST_CASE("sawteeth and waves go up and down", "[trend]") {
  const auto saw = [](double t) { return std::fmod(t + 30, 100) * 1000; };
  CHECK(trend(series_of(300, saw), 60).shape == TrendShape::up_and_down);
  const auto wave = [](double t) { return 1e5 * std::sin(t / 10); };
  CHECK_FALSE(trend(series_of(300, wave), 60).sustained());
}

TEST_CASE("a sawtooth on a rising floor grows", "[trend]") {
  const auto saw = [](double t) { return std::fmod(t, 10) * 1000 + t * 1000; };
  const Trend rising = trend(series_of(300, saw), 60);
  CHECK(rising.sustained());
  CHECK(rising.rate == Approx(1000).epsilon(0.1));
}

TEST_CASE("one step is no growth, wherever it comes", "[trend]") {
  for (int at = 60; at <= 290; at += 5) {
    CAPTURE(at);
    const Trend step =
        trend(series_of(300, [at](double t) { return 10 * t + (t > at ? 6e7 : 0); }), 60, 65536);
    CHECK((!step.sustained() || step.rate < 100));
  }
}

TEST_CASE("a noisy plateau has no rate that is not a number", "[trend]") {
  const std::vector<double> levels{0, 66, 85, 151, 170, 216, 215, 251, 230, 254, 233, 238};
  std::vector<double> times;
  for (std::size_t i = 0; i < levels.size(); i++)
    times.push_back(static_cast<double>(i));
  const auto plateau = trend_of(times, levels, 0, 10);
  REQUIRE(plateau);
  CHECK(plateau->shape == TrendShape::levelled);
  CHECK(std::isfinite(plateau->projected));
}

TEST_CASE("few points tell little, fewer than three nothing", "[trend]") {
  CHECK_FALSE(trend_of({}, {}, 0, 1));
  CHECK_FALSE(trend_of({0, 1}, {0, 1}, 0, 1));
  CHECK_FALSE(trend_of({0, 1, 2, 3}, {0, 1, 2, 3}, 2, 1));
  const auto three = trend_of({0, 1, 2}, {0, 5, 10}, 0, 1);
  REQUIRE(three);
  CHECK(three->shape == TrendShape::too_short);
  CHECK(three->rate == Approx(5));
  const auto moment = trend_of({5, 5, 5}, {1, 2, 3}, 0, 1);
  REQUIRE(moment);
  CHECK(moment->rate == 0);
}

TEST_CASE("points between those that were measured make nothing surer", "[trend]") {
  const Series line = series_of(60, [](double t) { return 10 * t; });
  const auto levels = [&line](std::size_t measured) {
    return trend_of(line.times, line.values, 0, 1, measured);
  };
  CHECK(levels(12).value().shape == TrendShape::growing);
  CHECK(levels(7).value().shape == TrendShape::growing);
  CHECK(levels(7).value().intervals == 6);
  CHECK(levels(6).value().shape == TrendShape::too_short);
  CHECK(levels(6).value().rate == Approx(10));
  CHECK_FALSE(levels(2));
  CHECK_FALSE(levels(0));
}

TEST_CASE("values that end early are compared with their own times", "[trend]") {
  CHECK(trend_of({0, 1, 2, 3, 4}, {0, 3, 6}, 0, 1).value().rate == Approx(3));
}

TEST_CASE("a gap in the samples bends nothing", "[trend]") {
  Series gap;
  for (int t = 0; t <= 300; t++)
    if (t < 100 || t > 180) {
      gap.times.push_back(t);
      gap.values.push_back(5.0 * t);
    }
  CHECK(trend(gap, 60).rate == Approx(5).epsilon(0.02));
}

} // namespace
} // namespace leakbpf
