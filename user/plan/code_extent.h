// SPDX-License-Identifier: Apache-2.0
// Which code belongs to a function whose size nobody tells.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace leakbpf {

/// Where code lies in its file.
struct CodeRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// What of `code` is reached from its first byte by going on, branches and direct jumps, as offsets
/// in ascending order. What is called is not part of it, nor what lies outside of `code`.
[[nodiscard]] std::vector<CodeRange> reached_code(std::span<const std::uint8_t> code);

} // namespace leakbpf
