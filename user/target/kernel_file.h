// SPDX-License-Identifier: Apache-2.0
// Reads the small text files by which the kernel shows figures: /proc/meminfo, a cgroup's files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace leakbpf {

/// Whole text of a file whose size stat() does not tell; nothing when it cannot be read.
[[nodiscard]] std::optional<std::string> read_kernel_file(const std::string& path);

/// The number in the line of `text` that begins with `key` and a blank: key "MemTotal:" in
/// "MemTotal:       16384 kB". In the unit of the line.
[[nodiscard]] std::optional<std::uint64_t> number_after(std::string_view text,
                                                        std::string_view key);

/// The number that `text` begins with, after blanks; nothing for a word such as "max".
[[nodiscard]] std::optional<std::uint64_t> leading_number(std::string_view text);

} // namespace leakbpf
