// SPDX-License-Identifier: Apache-2.0
#include "core/history.h"

#include <algorithm>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Table = SeriesTable<std::string>;

/// One sample a second; `key` is at `rate` times the time.
void fill(Table& table, const std::string& key, int samples, double rate, double start = 0) {
  for (int i = 0; i < samples; i++)
    if (table.begin_sample(start + i))
      table.put(key, rate * (start + i));
}

TEST_CASE("a long series stays bounded and keeps its line", "[history]") {
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
    for (std::size_t i = 0; i < table.times().size(); i++)
      CHECK(table.values("leak")->at(i) == 3.0 * table.times()[i]);
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

TEST_CASE("what was not known for a while went there in a straight line", "[history]") {
  Table table(8);
  for (int i = 0; i < 6; i++) {
    table.begin_sample(i == 5 ? 7 : i); // samples are not always a second apart
    table.put("other", 1);
    if (i == 1 || i == 5)
      table.put_after_gap("window", i == 1 ? 10 : 40);
  }
  CHECK(*table.values("window") == std::vector<double>{0, 10, 15, 20, 25, 40});
  CHECK(*table.values("other") == std::vector<double>(6, 1));
  SECTION("also across a thinning") {
    for (int i = 8; i < 12; i++) {
      if (table.begin_sample(i))
        table.put("other", 1);
    }
    if (table.begin_sample(12))
      table.put_after_gap("window", 90);
    REQUIRE(table.values("window")->size() == table.times().size());
    for (std::size_t i = 1; i < table.times().size(); i++)
      CHECK(table.values("window")->at(i) >= table.values("window")->at(i - 1));
    CHECK(table.values("window")->back() == 90);
  }
}

TEST_CASE("a forgotten key is gone", "[history]") {
  Table table;
  fill(table, "key", 10, 1);
  table.forget("key");
  CHECK_FALSE(table.values("key"));
  // What comes in its place does not inherit from it.
  table.begin_sample(10);
  table.put("next", 5);
  CHECK(table.values("next")->front() == 0);
  CHECK(table.values("next")->back() == 5);
}

TEST_CASE("a key that is 0 all the time is known to be", "[history]") {
  Table table(8);
  for (int i = 0; i < 6; i++) {
    table.begin_sample(i);
    table.put("idle", 0);
    table.put("late", i < 4 ? 0 : 7);
  }
  CHECK(*table.values("idle") == std::vector<double>(6, 0));
  CHECK(table.value_at("idle", 5) == 0);
  CHECK_FALSE(table.value_at("idle", 6));
  CHECK_FALSE(table.value_at("nobody", 0));
  CHECK(*table.values("late") == std::vector<double>{0, 0, 0, 0, 7, 7});
  CHECK(table.value_at("late", 3) == 0);
  CHECK(table.value_at("late", 4) == 7);
}

TEST_CASE("large values are kept to the unit", "[history]") {
  constexpr double large = 5e12 + 3;
  Table table;
  table.begin_sample(0);
  table.put("small", 1);
  table.put("large", large);
  table.begin_sample(1);
  table.put("large", 2);
  table.put("small", large);
  table.put("more", 0xffffffff);
  CHECK(*table.values("large") == std::vector<double>{large, 2});
  CHECK(*table.values("small") == std::vector<double>{1, large});
  CHECK(*table.values("more") == std::vector<double>{0, 0xffffffff});
}

} // namespace
} // namespace leakbpf
