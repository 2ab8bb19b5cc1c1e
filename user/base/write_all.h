// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace leakbpf {

/// Writes all of `data`, waiting where the file has to be waited for. Returns 0, or the error
/// number of the write that failed.
[[nodiscard]] int write_all(int fd, std::string_view data) noexcept;

} // namespace leakbpf
