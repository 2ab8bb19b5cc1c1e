// SPDX-License-Identifier: Apache-2.0
// Enumerators by their names, which stand in their order.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>

namespace leakbpf {

template <class Value, std::size_t Size>
[[nodiscard]] constexpr std::optional<Value>
value_named(const std::array<std::string_view, Size>& names, std::string_view name) {
  for (std::size_t i = 0; i < names.size(); i++)
    if (names.at(i) == name)
      return static_cast<Value>(i);
  return std::nullopt;
}

} // namespace leakbpf
