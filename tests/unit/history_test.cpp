// SPDX-License-Identifier: Apache-2.0
#include "core/history.h"

#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Catch::Approx;
using Table = SeriesTable<std::string>;

/// One sample a second; `key` is at `rate` times the time.
void fill(Table& table, const std::string& key, int samples, double rate, double start = 0) {
  for (int i = 0; i < samples; i++)
    if (table.begin_sample(start + i))
      table.put(key, rate * (start + i));
}

TEST_CASE("the slope of a line is its own", "[history]") {
  CHECK(slope_per_second({0, 1, 2, 3}, {5, 7, 9, 11}, 0).value() == Approx(2));
  CHECK(slope_per_second({0, 10, 40}, {100, 70, -20}, 0).value() == Approx(-3));
}

TEST_CASE("a constant has no slope", "[history]") {
  CHECK(slope_per_second({0, 1, 2, 3}, {42, 42, 42, 42}, 0).value() == 0);
}

TEST_CASE("fewer than three points, or one moment, tell nothing", "[history]") {
  CHECK_FALSE(slope_per_second({}, {}, 0));
  CHECK_FALSE(slope_per_second({0, 1}, {0, 1}, 0));
  CHECK_FALSE(slope_per_second({0, 1, 2, 3}, {0, 1, 2, 3}, 2));
  CHECK_FALSE(slope_per_second({5, 5, 5}, {1, 2, 3}, 0));
}

TEST_CASE("what is before the warm-up's end is left out", "[history]") {
  CHECK(slope_per_second({0, 1, 10, 11, 12}, {900, -50, 1, 2, 3}, 10).value() == Approx(1));
}

TEST_CASE("values that end early are compared with their own times", "[history]") {
  CHECK(slope_per_second({0, 1, 2, 3, 4}, {0, 3, 6}, 0).value() == Approx(3));
}

TEST_CASE("times far from zero cost no precision", "[history]") {
  const double weeks = 1e7;
  CHECK(slope_per_second({weeks, weeks + 1, weeks + 2, weeks + 3},
                         {1e12, 1e12 + 5, 1e12 + 10, 1e12 + 15}, 0)
            .value() == Approx(5));
}

TEST_CASE("the warm-up is a fifth of a run, at least 5 s, at most half of it", "[history]") {
  CHECK(warm_up_seconds(300) == Approx(60));
  CHECK(warm_up_seconds(20) == Approx(5));
  CHECK(warm_up_seconds(4) == Approx(2));
  CHECK(warm_up_seconds(0) == 0);
}

TEST_CASE("a long series stays bounded and keeps its slope", "[history]") {
  for (const std::size_t limit : {8U, 9U, 128U}) {
    Table table(limit);
    std::size_t most = 0;
    for (int i = 0; i < 20000; i++) {
      if (table.begin_sample(i))
        table.put("leak", 3.0 * i);
      most = std::max(most, table.times().size());
    }
    CAPTURE(limit);
    CHECK(most <= limit);
    CHECK(table.times().size() >= limit / 2);
    CHECK(table.times().front() == 0);
    CHECK(table.times().back() > 15000);
    REQUIRE(table.values("leak")->size() == table.times().size());
    CHECK(table.growth_per_minute("leak").value() == Approx(180));
  }
}

TEST_CASE("each value stays at its own time when a series is thinned out", "[history]") {
  Table table(16);
  for (int i = 0; i < 1000; i++) {
    if (!table.begin_sample(i))
      continue;
    table.put("early", i);
    if (i >= 500)
      table.put("late", i);
  }
  for (std::size_t i = 0; i < table.times().size(); i++) {
    const double t = table.times()[i];
    CHECK(table.values("early")->at(i) == t);
    CHECK(table.values("late")->at(i) == (t < 500 ? 0 : t));
  }
}

TEST_CASE("a key that appears late was 0 before", "[history]") {
  Table table;
  fill(table, "first", 10, 1);
  table.begin_sample(10);
  table.put("second", 50);
  REQUIRE(table.values("second")->size() == 11);
  CHECK(table.values("second")->front() == 0);
  CHECK(table.values("second")->at(9) == 0);
  CHECK(table.values("second")->back() == 50);
}

TEST_CASE("a key that was not put for a while kept its value", "[history]") {
  Table table;
  fill(table, "key", 3, 2);
  table.begin_sample(3);
  CHECK(table.values("key")->size() == 3);
  table.begin_sample(4);
  table.put("key", 10);
  CHECK(*table.values("key") == std::vector<double>{0, 2, 4, 4, 10});
}

TEST_CASE("growth per minute leaves out the warm-up", "[history]") {
  Table table;
  for (int i = 0; i <= 100; i++) {
    table.begin_sample(i);
    table.put("key", i < 20 ? 1e6 * i : 2e7 + 10.0 * i);
  }
  CHECK(table.growth_per_minute("key").value() == Approx(600));
}

TEST_CASE("growth is unknown for unknown keys and short series", "[history]") {
  Table table;
  CHECK_FALSE(table.growth_per_minute("key"));
  fill(table, "key", 2, 1);
  CHECK_FALSE(table.growth_per_minute("key"));
  CHECK_FALSE(table.growth_per_minute("other"));
}

TEST_CASE("a forgotten key is gone", "[history]") {
  Table table;
  fill(table, "key", 10, 1);
  table.forget("key");
  CHECK(table.values("key") == nullptr);
}

} // namespace
} // namespace leakbpf
