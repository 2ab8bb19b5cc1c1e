// SPDX-License-Identifier: Apache-2.0
// Which pages a process still has: /proc/PID/pagemap (Documentation/admin-guide/mm/pagemap.rst of
// Linux).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace leakbpf {

/// Is the page that this entry of a pagemap tells of the process's own memory: in RAM or swapped
/// out, and neither a file's nor shared? A page of a private file mapping is its own once it is
/// written.
[[nodiscard]] constexpr bool is_own_page(std::uint64_t entry) {
  constexpr std::uint64_t present = 1ULL << 63;
  constexpr std::uint64_t swapped = 1ULL << 62;
  constexpr std::uint64_t of_file_or_shared = 1ULL << 61;
  return (entry & (present | swapped)) != 0 && (entry & of_file_or_shared) == 0;
}

/// Is no page in the process's tables there? Then nobody has touched it since it went.
[[nodiscard]] constexpr bool is_absent_page(std::uint64_t entry) {
  constexpr std::uint64_t present = 1ULL << 63;
  return (entry & present) == 0;
}

/// is_own_page() of the page at each address, by the process's pagemap. Nothing when that cannot be
/// read or has an end: then it is rather the process that is gone.
[[nodiscard]] std::optional<std::vector<bool>> own_pages(const std::string& pagemap,
                                                         std::span<const std::uint64_t> addresses);
/// The same with is_absent_page().
[[nodiscard]] std::optional<std::vector<bool>>
absent_pages(const std::string& pagemap, std::span<const std::uint64_t> addresses);

} // namespace leakbpf
