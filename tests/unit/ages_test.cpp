// SPDX-License-Identifier: Apache-2.0
#include "core/ages.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Catch::Approx;

std::uint64_t nanoseconds(double seconds) {
  return static_cast<std::uint64_t>(seconds * 1e9);
}

AgeHistogram histogram_of(const std::vector<double>& seconds) {
  AgeHistogram ages;
  for (const double age : seconds)
    ages.add(nanoseconds(age));
  return ages;
}

void check_median(std::vector<double> seconds) {
  const AgeHistogram ages = histogram_of(seconds);
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  CHECK(ages.median_seconds() == Approx(*middle).epsilon(0.12));
  CHECK(ages.oldest_seconds() ==
        Approx(*std::max_element(seconds.begin(), seconds.end())).epsilon(1e-8));
}

/// An odd number of ages, so that the median is one of them.
template <class Distribution> std::vector<double> draw(Distribution distribution) {
  std::mt19937 random(20240229);
  std::vector<double> seconds(10001);
  std::generate(seconds.begin(), seconds.end(), [&] { return distribution(random); });
  return seconds;
}

TEST_CASE("no block has no age", "[ages]") {
  const AgeHistogram ages;
  CHECK(ages.empty());
  CHECK(ages.median_seconds() == 0);
  CHECK(ages.oldest_seconds() == 0);
}

TEST_CASE("the median is right within 12 percent", "[ages]") {
  SECTION("uniform") {
    check_median(draw(std::uniform_real_distribution(0.0, 300.0)));
  }
  SECTION("exponential") {
    check_median(draw(std::exponential_distribution(1.0 / 20)));
  }
  SECTION("over many orders of magnitude") {
    check_median(draw(std::lognormal_distribution(3.0, 4.0)));
  }
  SECTION("days") {
    check_median(draw(std::uniform_real_distribution(86400.0, 15 * 86400.0)));
  }
  SECTION("old ones and new ones") {
    std::vector<double> seconds(60, 0.05);
    seconds.insert(seconds.end(), 41, 3600.0);
    check_median(seconds);
  }
}

TEST_CASE("the median is right within 12 percent at both ends of every bucket", "[ages]") {
  for (double low = 0.004; low < 1e6; low *= 2)
    for (const double quarter : {1.0, 1.25, 1.5, 1.75})
      for (const double milliseconds :
           {std::ceil(low * quarter * 1e3), std::ceil(low * quarter * 1e3) - 1})
        check_median({milliseconds / 1e3 + 1e-7, milliseconds / 1e3 + 1e-7, 1e6});
}

TEST_CASE("one age is its own median, or nearly", "[ages]") {
  check_median({7.25});
  CHECK(histogram_of({0}).median_seconds() == 0);
}

TEST_CASE("the median is never above the oldest", "[ages]") {
  for (double age = 0.001; age < 1e5; age *= 1.1)
    CHECK(histogram_of({age}).median_seconds() <= age * (1 + 1e-9));
}

TEST_CASE("the oldest is exact", "[ages]") {
  AgeHistogram ages;
  ages.add(123'456'789'012);
  ages.add(1);
  CHECK_FALSE(ages.empty());
  CHECK(ages.oldest_seconds() == 123.456789012);
}

TEST_CASE("an age of years is kept", "[ages]") {
  const double years = 3 * 365 * 86400.0;
  const AgeHistogram ages = histogram_of({years});
  CHECK(ages.oldest_seconds() == years);
  CHECK(ages.median_seconds() > 20 * 86400.0);
}

} // namespace
} // namespace leakbpf
