// SPDX-License-Identifier: Apache-2.0
#include "core/units.h"

#include <array>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

namespace leakbpf {

std::string format_bytes(double bytes) {
  constexpr std::array<std::string_view, 6> units{"B", "KB", "MB", "GB", "TB", "PB"};
  double value = std::abs(bytes);
  std::size_t unit = 0;
  // 1000, not 1024: "1023 KB" is wider and no clearer than "1.0 MB".
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= 1024;
    unit++;
  }
  const char* sign = bytes < -0.5 ? "-" : ""; // never "-0"
  const bool fraction = unit > 0 && value < 99.95;
  return fmt::format("{}{:.{}f} {}", sign, value, fraction ? 1 : 0, units.at(unit));
}

std::string format_known_bytes(std::optional<std::uint64_t> bytes) {
  return bytes ? format_bytes(static_cast<double>(*bytes)) : "-";
}

std::string format_change(std::optional<double> bytes) {
  if (!bytes)
    return "-";
  if (std::abs(*bytes) <= 0.5)
    return "0 B";
  return (*bytes > 0 ? "+" : "") + format_bytes(*bytes);
}

std::string format_count(std::uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string format_counted(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", format_count(count), count == 1 ? one : many);
}

std::string format_duration(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (whole < 60)
    return fmt::format("{}s", whole);
  if (whole < 3600)
    return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400)
    return fmt::format("{}h{:02}m", whole / 3600, whole / 60 % 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole / 3600 % 24);
}

} // namespace leakbpf
