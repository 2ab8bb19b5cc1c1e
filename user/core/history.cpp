// SPDX-License-Identifier: Apache-2.0
#include "core/history.h"

#include <algorithm>

namespace leakbpf {

double warm_up_seconds(double run_seconds) {
  // A run of a few seconds has no room for the usual 5 s.
  return std::min(std::max(run_seconds * 0.2, 5.0), run_seconds * 0.5);
}

std::optional<double> slope_per_second(const std::vector<double>& times,
                                       const std::vector<double>& values, double from) {
  const std::size_t count = std::min(times.size(), values.size());
  double n = 0;
  double sum_t = 0;
  double sum_v = 0;
  for (std::size_t i = 0; i < count; i++) {
    if (times[i] < from)
      continue;
    n++;
    sum_t += times[i];
    sum_v += values[i];
  }
  if (n < 3)
    return std::nullopt;
  // Around the means, since times can be days and differences seconds.
  const double mean_t = sum_t / n;
  const double mean_v = sum_v / n;
  double covariance = 0;
  double variance = 0;
  for (std::size_t i = 0; i < count; i++) {
    if (times[i] < from)
      continue;
    covariance += (times[i] - mean_t) * (values[i] - mean_v);
    variance += (times[i] - mean_t) * (times[i] - mean_t);
  }
  if (variance <= 0)
    return std::nullopt;
  return covariance / variance;
}

} // namespace leakbpf
