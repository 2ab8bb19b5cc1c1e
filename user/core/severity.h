// SPDX-License-Identifier: Apache-2.0
// How bad a growth is, and in one word.
#pragma once

#include "core/names.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace leakbpf {

enum class Severity { none, low, medium, high, critical };

constexpr std::array<std::string_view, 5> severity_names{"none", "low", "medium", "high",
                                                         "critical"};

[[nodiscard]] constexpr std::string_view severity_name(Severity severity) {
  return severity_names.at(static_cast<std::size_t>(severity));
}

[[nodiscard]] constexpr std::optional<Severity> severity_of_name(std::string_view name) {
  return value_named<Severity>(severity_names, name);
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

/// There is growth that lasts.
[[nodiscard]] constexpr bool grows(std::optional<Severity> severity) {
  return severity.value_or(Severity::none) != Severity::none;
}

/// What is to be thought of something that may leak. Unknown while there is too little to tell.
struct Verdict {
  std::optional<Severity> severity;
  std::vector<std::string> reasons; ///< in words, the weightiest first

  friend bool operator==(const Verdict&, const Verdict&) = default;
};

} // namespace leakbpf
