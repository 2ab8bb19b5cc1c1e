// SPDX-License-Identifier: Apache-2.0
// The table of weights, and sums that are estimated with it as the BPF programs do.
#include "core/sampling.h"

#include <leakbpf/sampling.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Catch::Approx;

constexpr std::uint64_t usual_mean = 16384;
constexpr std::uint64_t means[] = {1, 2, 100, 512, usual_mean, 1 << 20, 1ULL << 33};

/// All sizes up to 4096, and then in steps of less than a hundredth to 2^63 and a little more.
std::vector<std::uint64_t> many_sizes() {
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t size = 0; size <= 4096; size++)
    sizes.push_back(size);
  for (std::uint64_t size = 4097; size <= 1ULL << 63; size += size / 128)
    sizes.push_back(size);
  for (int bits = 12; bits <= 63; bits++)
    for (const std::uint64_t size : {(1ULL << bits) - 1, 1ULL << bits, (1ULL << bits) + 1})
      sizes.push_back(size);
  sizes.push_back(std::numeric_limits<std::uint64_t>::max());
  std::sort(sizes.begin(), sizes.end());
  return sizes;
}

/// The decision of bpf/sample.bpf.h: the weight, in blocks; 0: not followed.
double weight_of(const SamplingWeights& weights, std::uint32_t row, std::uint64_t size,
                 std::mt19937& random) {
  const std::uint32_t weight = weights.at(row).at(sampling_column(size));
  const std::uint64_t number = random();
  if (weight > LEAKBPF_WEIGHT_ONE && number * weight >= 1ULL << (32 + LEAKBPF_WEIGHT_BITS))
    return 0;
  return static_cast<double>(weight) / LEAKBPF_WEIGHT_ONE;
}

struct Population {
  std::uint64_t size;
  int count;
};

constexpr int runs = 400;

/// How many blocks each run takes the population for.
std::vector<double> estimates(const SamplingWeights& weights, std::uint32_t row,
                              const Population& population) {
  std::vector<double> counts;
  for (unsigned seed = 0; seed < runs; seed++) {
    std::mt19937 random(seed); // NOLINT: the same blocks every time
    double count = 0;
    for (int i = 0; i < population.count; i++)
      count += weight_of(weights, row, population.size, random);
    counts.push_back(count);
  }
  return counts;
}

double mean_of(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values)
    sum += value;
  return sum / static_cast<double>(values.size());
}

double spread_of(const std::vector<double>& values) {
  const double mean = mean_of(values);
  double squares = 0;
  for (const double value : values)
    squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

/// The mean of all runs is the truth, as closely as their spread lets one tell.
void check_unbiased(const std::vector<double>& values, double truth) {
  const double standard_error = spread_of(values) / std::sqrt(static_cast<double>(values.size()));
  CAPTURE(mean_of(values), truth, standard_error);
  CHECK(std::abs(mean_of(values) - truth) <= 3 * standard_error + 1e-9 * truth);
}

TEST_CASE("the highest bit of a size is found", "[sampling]") {
  CHECK(sampling_log2(0) == 0);
  for (std::uint32_t bit = 0; bit < 64; bit++) {
    CAPTURE(bit);
    CHECK(sampling_log2(1ULL << bit) == bit);
    CHECK(sampling_log2((1ULL << bit) | ((1ULL << bit) - 1)) == bit);
  }
}

TEST_CASE("sizes up to 15 have columns of their own", "[sampling]") {
  for (std::uint32_t size = 0; size < 16; size++)
    CHECK(sampling_column(size) == size);
  CHECK(sampling_column(16) == 16);
}

TEST_CASE("columns follow the sizes one after the other, and end with the table", "[sampling]") {
  std::uint32_t last = 0;
  for (const std::uint64_t size : many_sizes()) {
    const std::uint32_t column = sampling_column(size);
    if (column != last && column != last + 1)
      FAIL("column " << column << " of " << size << " after column " << last);
    last = column;
  }
  CHECK(last == LEAKBPF_SAMPLING_COLUMNS - 1);
}

TEST_CASE("sizes that share a column differ by at most an eighth", "[sampling]") {
  std::vector<std::uint64_t> smallest(LEAKBPF_SAMPLING_COLUMNS);
  for (const std::uint64_t size : many_sizes()) {
    const std::uint32_t column = sampling_column(size);
    std::uint64_t& least = smallest.at(column);
    if (least == 0)
      least = size;
    if (column < LEAKBPF_SAMPLING_COLUMNS - 1 && size - least > least / 8)
      FAIL(least << " and " << size << " share column " << column);
  }
  // All that is larger shares the last one.
  CHECK(sampling_column((1ULL << 42) - (1ULL << 38) - 1) == LEAKBPF_SAMPLING_COLUMNS - 2);
  CHECK(sampling_column(1ULL << 42) == LEAKBPF_SAMPLING_COLUMNS - 1);
  CHECK(sampling_column(1ULL << 63) == LEAKBPF_SAMPLING_COLUMNS - 1);
}

TEST_CASE("a chance is that of one byte at least among so many", "[sampling]") {
  CHECK(sampling_chance(100, 1) == 1);
  CHECK(sampling_chance(0, 1000) == 0);
  CHECK(sampling_chance(1000, 1000) == Approx(1 - std::exp(-1)));
  CHECK(sampling_chance(1, 1 << 30) == Approx(std::ldexp(1, -30)));
  CHECK(sampling_chance(1e6, 1000) == Approx(1));
  // A block of two parts is missed when both are.
  CHECK(1 - sampling_chance(700, 1000) ==
        Approx((1 - sampling_chance(300, 1000)) * (1 - sampling_chance(400, 1000))));
}

TEST_CASE("the last row follows every block, and so does a mean of 1 byte", "[sampling]") {
  const auto is_one = [](std::uint32_t weight) { return weight == LEAKBPF_WEIGHT_ONE; };
  for (const std::uint64_t mean : means) {
    const SamplingWeights weights = sampling_weights(mean);
    const auto& exact = weights.at(LEAKBPF_SAMPLING_EXACT);
    CAPTURE(mean);
    CHECK(std::all_of(exact.begin(), exact.end(), is_one));
  }
  for (const auto& row : sampling_weights(1))
    CHECK(std::all_of(row.begin(), row.end(), is_one));
}

TEST_CASE("a weight is the larger the smaller the block, and never less than 1", "[sampling]") {
  constexpr std::uint32_t heaviest = 1U << 24;
  for (const std::uint64_t mean : means) {
    CAPTURE(mean);
    for (const auto& row : sampling_weights(mean)) {
      CHECK(std::is_sorted(row.begin(), row.end(), std::greater<>()));
      CHECK(row.front() <= heaviest);
      CHECK(row.back() >= LEAKBPF_WEIGHT_ONE);
    }
  }
  // With the largest scale it fits into 32 bits.
  CHECK(std::uint64_t{heaviest} * LEAKBPF_MAX_SCALE <= std::numeric_limits<std::uint32_t>::max());
}

TEST_CASE("blocks far larger than the mean are all followed", "[sampling]") {
  const SamplingWeights weights = sampling_weights(usual_mean);
  CHECK(weights[0].at(sampling_column(10 * usual_mean)) == LEAKBPF_WEIGHT_ONE);
  CHECK(weights[0].at(sampling_column(1ULL << 40)) == LEAKBPF_WEIGHT_ONE);
  CHECK(weights[4].at(sampling_column(10 * (usual_mean >> 4))) == LEAKBPF_WEIGHT_ONE);
  CHECK(weights[0].at(sampling_column(usual_mean)) > LEAKBPF_WEIGHT_ONE);
}

TEST_CASE("a weight is the inverse of the chance of a size in its column", "[sampling]") {
  constexpr double heaviest = 1U << 24;
  for (const std::uint64_t mean : means) {
    const SamplingWeights weights = sampling_weights(mean);
    for (std::uint32_t row = 0; row < LEAKBPF_SAMPLING_ROWS; row++)
      for (const std::uint64_t size : many_sizes()) {
        if (size == 0 || size >= 1ULL << 41)
          continue;
        const double weight = weights.at(row).at(sampling_column(size));
        const double chance =
            sampling_chance(static_cast<double>(size), sampling_row_mean(mean, row));
        const double intended = std::min(LEAKBPF_WEIGHT_ONE / chance, heaviest);
        // The column's middle is within a sixteenth; below 16 there is but the rounding.
        const double share = size < 16 ? 1e-9 : 1.0 / 16;
        if (std::abs(weight - intended) > share * intended + 0.51)
          FAIL("mean " << mean << ", row " << row << ", size " << size << ": weight " << weight
                       << ", intended " << intended);
      }
  }
}

TEST_CASE("each row has half the mean of the one before, but never less than 1", "[sampling]") {
  CHECK(sampling_row_mean(usual_mean, 0) == usual_mean);
  CHECK(sampling_row_mean(usual_mean, 1) == 8192);
  CHECK(sampling_row_mean(usual_mean, 10) == 16);
  CHECK(sampling_row_mean(100, 3) == 12.5);
  CHECK(sampling_row_mean(100, 9) == 1);
  CHECK(sampling_row_mean(1ULL << 40, LEAKBPF_SAMPLING_EXACT) == 1);
  CHECK(sampling_weights(1 << 20).at(7) == sampling_weights(1 << 13).at(0));
}

/// No other row's mean is closer to what is wanted. Below 2 bytes it does not matter.
void check_nearest(std::uint64_t mean, double share) {
  const double wanted = static_cast<double>(mean) * share;
  const auto distance = [&](std::uint32_t row) {
    return std::abs(std::log2(sampling_row_mean(mean, row) / wanted));
  };
  const std::uint32_t chosen = sampling_row(mean, share);
  REQUIRE(chosen < LEAKBPF_SAMPLING_ROWS);
  CAPTURE(mean, share, chosen);
  if (wanted < 2) {
    CHECK(sampling_row_mean(mean, chosen) < 2 * std::sqrt(2));
    return;
  }
  double nearest = distance(0);
  for (std::uint32_t row = 1; row < LEAKBPF_SAMPLING_ROWS; row++)
    nearest = std::min(nearest, distance(row));
  CHECK(distance(chosen) <= nearest + 1e-9);
}

TEST_CASE("the row is that whose mean is nearest", "[sampling]") {
  CHECK(sampling_row(usual_mean, 1) == 0);
  CHECK(sampling_row(usual_mean, 0.5) == 1);
  CHECK(sampling_row(usual_mean, 0.8) == 0);
  CHECK(sampling_row(usual_mean, 0.6) == 1);
  CHECK(sampling_row(usual_mean, 1.0 / 1024) == 10);
  CHECK(sampling_row(1, 1) == LEAKBPF_SAMPLING_EXACT);
  CHECK(sampling_row(usual_mean, 1e-9) == LEAKBPF_SAMPLING_EXACT);
  // The smallest share that is asked for: the largest scale, and sixteen times as close.
  for (const std::uint64_t mean : means)
    for (int divisor = 16; divisor < 16 * 16 * LEAKBPF_MAX_SCALE; divisor += 1 + divisor / 16)
      check_nearest(mean, 16.0 / divisor);
}

TEST_CASE("a share smaller than any row's takes the closest that is not exact", "[sampling]") {
  check_nearest(1 << 20, 1e-5);
  check_nearest(1ULL << 33, 1e-6);
}

TEST_CASE("sums of what is followed are right on average", "[sampling]") {
  const std::vector<Population> populations{{0, 1000},   {1, 1000},    {64, 1000},
                                            {1000, 500}, {16384, 200}, {1 << 20, 30}};
  for (const std::uint64_t mean : {std::uint64_t{512}, usual_mean, std::uint64_t{1} << 20}) {
    CAPTURE(mean);
    const SamplingWeights weights = sampling_weights(mean);
    std::vector<double> all_counts(runs);
    std::vector<double> all_bytes(runs);
    double count = 0;
    double bytes = 0;
    for (const Population& population : populations) {
      CAPTURE(population.size);
      const std::vector<double> counts = estimates(weights, 0, population);
      check_unbiased(counts, population.count);
      const auto size = static_cast<double>(population.size);
      count += population.count;
      bytes += population.count * size;
      for (std::size_t run = 0; run < runs; run++) {
        all_counts[run] += counts[run];
        all_bytes[run] += counts[run] * size;
      }
    }
    check_unbiased(all_counts, count);
    check_unbiased(all_bytes, bytes);
    CHECK(spread_of(all_counts) > 0);
    CHECK(spread_of(all_bytes) > 0);
  }
}

TEST_CASE("a closer row is as right, and spreads less", "[sampling]") {
  const SamplingWeights weights = sampling_weights(usual_mean);
  const Population population{200, 2000};
  double last = std::numeric_limits<double>::max();
  for (const std::uint32_t row : {0, 3, 6, 9}) {
    CAPTURE(row);
    const std::vector<double> counts = estimates(weights, row, population);
    check_unbiased(counts, population.count);
    CHECK(spread_of(counts) < last);
    last = spread_of(counts);
  }
  const std::vector<double> exact = estimates(weights, LEAKBPF_SAMPLING_EXACT, population);
  CHECK(mean_of(exact) == population.count);
  CHECK(spread_of(exact) == 0);
}

TEST_CASE("the standard error is the spread of blocks of one size", "[sampling]") {
  const SamplingWeights weights = sampling_weights(usual_mean);
  for (const Population& population : {Population{16, 20000}, Population{100, 5000},
                                       Population{4096, 500}, Population{10000, 500}})
    for (const std::uint32_t row : {0, 2}) {
      CAPTURE(population.size, row);
      const auto size = static_cast<double>(population.size);
      const double spread = size * spread_of(estimates(weights, row, population));
      const double foreseen = sampling_error(size * population.count, population.count,
                                             sampling_row_mean(usual_mean, row), 1);
      CHECK(foreseen > 0.7 * spread);
      CHECK(foreseen < 1.4 * spread);
    }
}

TEST_CASE("what is followed without exception has no standard error", "[sampling]") {
  CHECK(sampling_error(1e6, 1000, 1, 1) == 0);
  CHECK(sampling_error(0, 0, usual_mean, 1) == 0);
  CHECK(sampling_error(0, 10, usual_mean, 0.5) == 0);
  CHECK(sampling_error(1e9, 10, usual_mean, 1) == Approx(0).margin(1));
}

TEST_CASE("the standard error grows as the chance falls", "[sampling]") {
  double last = 0;
  for (int log2 = 6; log2 < 30; log2++) {
    const double error = sampling_error(1e6, 1000, std::ldexp(1, log2), 1);
    CAPTURE(log2);
    CHECK(error > last);
    last = error;
  }
  last = 0;
  for (const double duty : {1.0, 0.5, 0.1, 0.01, 0.001}) {
    const double error = sampling_error(1e6, 1000, usual_mean, duty);
    CAPTURE(duty);
    CHECK(error > last);
    last = error;
  }
  // A quarter of the time: 1,000 blocks are told from some 250, give or take sqrt(250 * 3/4).
  CHECK(sampling_error(1e6, 1000, 1, 0.25) == Approx(1000 * 4 * std::sqrt(1000 * 0.25 * 0.75)));
  CHECK(std::isfinite(sampling_error(1e6, 1000, usual_mean, 0)));
}

TEST_CASE("the standard error of sampled pages is that of their number", "[sampling]") {
  CHECK(page_sampling_error(0, 64) == 0);
  CHECK(page_sampling_error(6400, 64) == Approx(10 * 64 * 4096)); // 100 were seen, give or take 10
  CHECK(page_sampling_error(100, 1) == Approx(10 * 4096));
}

} // namespace
} // namespace leakbpf
