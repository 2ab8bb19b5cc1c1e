// SPDX-License-Identifier: Apache-2.0
// How bad a growth is, and in one word.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace leakbpf {

enum class Severity { none, low, medium, high, critical };

constexpr std::array<std::string_view, 5> severity_names{"none", "low", "medium", "high",
                                                         "critical"};

[[nodiscard]] constexpr std::string_view severity_name(Severity severity) {
  return severity_names.at(static_cast<std::size_t>(severity));
}

[[nodiscard]] constexpr std::optional<Severity> severity_of_name(std::string_view name) {
  for (std::size_t i = 0; i < severity_names.size(); i++)
    if (severity_names.at(i) == name)
      return static_cast<Severity>(i);
  return std::nullopt;
}

/// Bytes a minute, of growth that lasts: from 1, 5 and 50 MB (of 2^20 bytes) on.
[[nodiscard]] constexpr Severity severity_of_growth(double bytes_per_minute) {
  constexpr double megabyte = 1024.0 * 1024.0;
  if (bytes_per_minute >= 50 * megabyte)
    return Severity::critical;
  if (bytes_per_minute >= 5 * megabyte)
    return Severity::high;
  return bytes_per_minute >= megabyte ? Severity::medium : Severity::low;
}

/// What `detect` ends with 1 for.
[[nodiscard]] constexpr bool is_leak(Severity severity) {
  return severity >= Severity::medium;
}

} // namespace leakbpf
