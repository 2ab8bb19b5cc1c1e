// SPDX-License-Identifier: Apache-2.0
#include "core/verdict_words.h"

#include "core/units.h"
#include "core/verdict.h"

#include <fmt/format.h>

namespace leakbpf {

std::string per_minute(double bytes_per_second) {
  return format_bytes(bytes_per_second * 60) + "/min";
}

std::string intervals_text(const Trend& trend) {
  return fmt::format("grew in {} of {} intervals", trend.rises, trend.intervals);
}

std::string slowing_text(const Trend& trend, double leads_to) {
  return fmt::format("growth is slowing from {} to {}, and is judged by where it is heading, {}: a "
                     "cache or a heap that fills up looks like this",
                     per_minute(trend.first_rate), per_minute(trend.rate), per_minute(leads_to));
}

std::string no_growth_text(const std::string& what, const Trend& trend) {
  switch (trend.shape) {
  case TrendShape::levelled:
    return fmt::format("{} grew by {} and has stopped: something filled up and stayed", what,
                       format_bytes(trend.rise));
  case TrendShape::up_and_down:
    return what + " goes up and comes back down";
  case TrendShape::too_short:
    return "too little data to tell";
  default:
    if (trend.rate <= 0 || trend.rise < least_rise_bytes)
      return what + " does not grow";
    return fmt::format("{} rose by {}, in {} of {} intervals: not steadily enough to tell growth "
                       "from normal variation",
                       what, format_bytes(trend.rise), trend.rises, trend.intervals);
  }
}

Severity one_lower(Severity severity) {
  return severity > Severity::low ? static_cast<Severity>(static_cast<int>(severity) - 1)
                                  : severity;
}

} // namespace leakbpf
