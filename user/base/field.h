// SPDX-License-Identifier: Apache-2.0
// A number within the bytes of a structure of another process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace leakbpf {

/// The T whose first byte is bytes[at]; all of it has to lie within.
template <class T> [[nodiscard]] T field(std::span<const std::uint8_t> bytes, std::size_t at) {
  T value{};
  std::memcpy(&value, bytes.subspan(at, sizeof(value)).data(), sizeof(value));
  return value;
}

} // namespace leakbpf
