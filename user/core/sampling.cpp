// SPDX-License-Identifier: Apache-2.0
#include "core/sampling.h"

#include <algorithm>
#include <cmath>

namespace leakbpf {

namespace {

constexpr double heaviest = 1U << 24; // times the largest scale it fits into 32 bits

/// A size in the middle of those that share the column (leakbpf/sampling.h).
double column_size(std::uint32_t column) {
  if (column < 16)
    return std::max(column, 1U);
  const std::uint32_t log2 = column / 8 + 2;
  return std::ldexp(8 + column % 8 + 0.5, static_cast<int>(log2) - 3);
}

} // namespace

double sampling_chance(double bytes, double mean_bytes) {
  return mean_bytes <= 1 ? 1 : -std::expm1(-bytes / mean_bytes);
}

SamplingWeights sampling_weights(std::uint64_t mean_bytes) {
  SamplingWeights weights{};
  for (std::uint32_t row = 0; row < weights.size(); row++)
    for (std::uint32_t column = 0; column < LEAKBPF_SAMPLING_COLUMNS; column++) {
      const double chance =
          sampling_chance(column_size(column), sampling_row_mean(mean_bytes, row));
      weights.at(row).at(column) = static_cast<std::uint32_t>(std::clamp(
          std::round(LEAKBPF_WEIGHT_ONE / chance), double{LEAKBPF_WEIGHT_ONE}, heaviest));
    }
  return weights;
}

std::uint32_t sampling_row(std::uint64_t mean_bytes, double share) {
  const double mean = static_cast<double>(mean_bytes) * share;
  if (mean <= 1)
    return LEAKBPF_SAMPLING_EXACT;
  const double row = std::round(-std::log2(share));
  return static_cast<std::uint32_t>(std::clamp(row, 0.0, LEAKBPF_SAMPLING_EXACT - 1.0));
}

double sampling_row_mean(std::uint64_t mean_bytes, std::uint32_t row) {
  if (row >= LEAKBPF_SAMPLING_EXACT)
    return 1;
  return std::max(1.0, std::ldexp(static_cast<double>(mean_bytes), -static_cast<int>(row)));
}

double sampling_error(double bytes, double count, double mean_bytes, double duty) {
  if (bytes <= 0 || count <= 0)
    return 0;
  const double average = bytes / count;
  const double chance = sampling_chance(average, mean_bytes) * std::clamp(duty, 1e-6, 1.0);
  return average * std::sqrt(count * std::max(1 - chance, 0.0) / chance);
}

double page_sampling_error(double count, double pages_per_sample) {
  constexpr double page_bytes = 4096;
  const double samples = std::max(count, 0.0) / pages_per_sample;
  return page_bytes * pages_per_sample * std::sqrt(samples);
}

} // namespace leakbpf
