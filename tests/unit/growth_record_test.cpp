// SPDX-License-Identifier: Apache-2.0
#include "core/growth_record.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Catch::Approx;

const SiteKey key{1, LEAKBPF_KIND_HEAP, 7};

/// A site that takes 1,000 and gives back 400 bytes a second, and an RSS that grows by 600.
GrowthRecord record_of(int seconds) {
  GrowthRecord record;
  for (int t = 0; t <= seconds; t++) {
    const auto n = static_cast<std::uint64_t>(t);
    record.begin_sample(t);
    record.put_site(key, {1000 * n, n, 400 * n, n / 2});
    record.put_target(1, TargetSeries::memory, 1e6 + 600.0 * t);
  }
  return record;
}

TEST_CASE("sites and targets have the growth of their own series", "[growth]") {
  const GrowthRecord record = record_of(400);
  CHECK(record.site_trend(key, 0).value().rate == Approx(600));
  CHECK(record.target_trend(1, TargetSeries::memory, 0).value().rate == Approx(600));
  CHECK_FALSE(record.target_trend(1, TargetSeries::file, 0));
  CHECK_FALSE(record.target_trend(2, TargetSeries::memory, 0));
  CHECK_FALSE(record.site_trend({1, LEAKBPF_KIND_MMAP, 7}, 0));
}

TEST_CASE("a target that comes late has a warm-up of its own", "[growth]") {
  GrowthRecord record;
  for (int t = 0; t <= 300; t++) {
    record.begin_sample(t);
    if (t >= 220) // a child, with all its memory at once
      record.put_target(2, TargetSeries::memory, 5e7);
  }
  const auto trend = record.target_trend(2, TargetSeries::memory, 220);
  REQUIRE(trend);
  CHECK(trend->rise == 0);
  CHECK_FALSE(trend->sustained());
}

TEST_CASE("the mark for survival is 30 s old, in a short run a third of it", "[growth]") {
  const GrowthRecord record = record_of(300);
  const auto mark = record.survival_mark(300);
  REQUIRE(mark);
  CHECK(mark->t_seconds <= 270);
  CHECK(mark->t_seconds >= 300 - 30 - 40); // marks lie further apart in a long run
  CHECK(record.allocated_at(*mark, key) == Approx(1000 * mark->t_seconds));
  CHECK(record.allocated_at(*mark, {9, LEAKBPF_KIND_HEAP, 7}) == 0);
  const GrowthRecord brief = record_of(9);
  CHECK(brief.survival_mark(9).value().t_seconds == 6);
  CHECK_FALSE(GrowthRecord().survival_mark(100));
}

TEST_CASE("a series for a plot has a value for each time", "[growth]") {
  GrowthRecord record = record_of(50);
  record.begin_sample(51); // the site was not seen
  CHECK(record.site_series(key).size() == record.site_times().size());
  CHECK(record.site_series(key).back() == 30000);
  CHECK(record.site_series(key).front() == 0);
  CHECK(record.site_series({2, LEAKBPF_KIND_HEAP, 7}).empty());
}

const SiteKey held_site{1, LEAKBPF_KIND_PYTHON, 7};

/// 3,000 bytes a second that Python's objects take, looked at each `every` seconds of 60.
GrowthRecord record_of_python(int every) {
  GrowthRecord record;
  std::uint64_t looks = 0;
  for (int t = 0; t <= 60; t++) {
    record.begin_sample(t);
    if (t % every == 0) {
      const auto n = static_cast<std::uint64_t>(t);
      record.put_site_after_gap(held_site, {3000 * n, n, 0, 0});
      looks++;
    }
    record.put_target(1, TargetSeries::looks, static_cast<double>(looks));
  }
  return record;
}

Trend trend_of_python(int every) {
  return record_of_python(every).site_trend(held_site, 0).value();
}

TEST_CASE("sites of a target that has ended keep their growth until it is forgotten", "[growth]") {
  GrowthRecord record = record_of_python(3);
  record.forget_memory(1);
  REQUIRE(record.site_trend(held_site, 0));
  CHECK(record.site_trend(held_site, 0)->shape == TrendShape::growing);
  record.forget(1, std::array{held_site});
  CHECK_FALSE(record.site_trend(held_site, 0));
}

TEST_CASE("what is looked at now and then grows evenly, if there were looks enough to tell",
          "[growth]") {
  for (const int every : {1, 3, 5, 6}) {
    CAPTURE(every);
    const Trend trend = trend_of_python(every);
    CHECK(trend.shape == TrendShape::growing);
    CHECK(trend.rate == Approx(3000).epsilon(0.01));
  }
  CHECK(trend_of_python(12).shape == TrendShape::too_short);
}

TEST_CASE("days of samples stay bounded", "[growth]") {
  GrowthRecord record;
  for (int t = 0; t < 3 * 86400; t += 10) {
    record.begin_sample(t);
    record.put_site(key, {static_cast<std::uint64_t>(t), 1, 0, 0});
  }
  CHECK(record.site_times().size() <= 128);
  CHECK(record.site_trend(key, 0).value().rate == Approx(1).epsilon(0.01));
}

} // namespace
} // namespace leakbpf
