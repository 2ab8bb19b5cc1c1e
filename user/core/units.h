// SPDX-License-Identifier: Apache-2.0
// Numbers as people read them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace leakbpf {

/// "0 B", "512 B", "3.9 KB", "12.4 MB" (powers of 1024; three digits that matter).
[[nodiscard]] std::string format_bytes(double bytes);
/// "-" when unknown.
[[nodiscard]] std::string format_known_bytes(std::optional<std::uint64_t> bytes);
/// "+12.4 MB" with its sign; "-" when unknown.
[[nodiscard]] std::string format_change(std::optional<double> bytes);
/// "1,234,567".
[[nodiscard]] std::string format_count(std::uint64_t count);
/// "1 container", "1,234 containers".
[[nodiscard]] std::string format_counted(std::uint64_t count, std::string_view one,
                                         std::string_view many);
/// "9s", "4m12s", "3h05m", "2d11h".
[[nodiscard]] std::string format_duration(double seconds);

} // namespace leakbpf
