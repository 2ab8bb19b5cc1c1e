// SPDX-License-Identifier: Apache-2.0
#include "core/ages.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace leakbpf {

// Ages 0 to 3 ms have a bucket each; from there on each power of two has four.
std::size_t AgeHistogram::bucket(std::uint64_t age_ms) {
  if (age_ms < 4)
    return age_ms;
  const auto power = static_cast<std::size_t>(std::bit_width(age_ms)) - 1;
  const std::size_t quarter = age_ms >> (power - 2) & 3;
  return std::min(4 * (power - 1) + quarter, bucket_count - 1);
}

// The harmonic mean of both ends: no age in the bucket is further from it than 11.2 percent.
double AgeHistogram::bucket_middle_ms(std::size_t index) {
  if (index < 4)
    return static_cast<double>(index);
  const std::size_t whole_power = index / 4 + 1;
  const auto power = static_cast<double>(whole_power);
  const auto quarter = static_cast<double>(index % 4);
  const double low = 1 + quarter / 4;
  const double high = low + 0.25;
  return std::exp2(power) * 2 * low * high / (low + high);
}

double AgeHistogram::median_seconds() const {
  double below = 0;
  for (std::size_t index = 0; index < bucket_count; index++) {
    below += buckets_.at(index);
    if (below * 2 >= count_ * (1 - 1e-6) && count_ > 0)
      return std::min(bucket_middle_ms(index) / 1e3, oldest_seconds());
  }
  return 0;
}

} // namespace leakbpf
