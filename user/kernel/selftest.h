// SPDX-License-Identifier: Apache-2.0
// A function of our own that a probe can be tried on.
#pragma once

#include <cstdint>
#include <string>

namespace leakbpf {

/// Does nothing. Begins with `push`, as most functions worth probing do.
void call_selftest_function();

/// Where its first instruction lies: this program's own file.
struct SelftestPlace {
  std::string path;
  std::uint64_t file_offset = 0; ///< 0 when it could not be found
};
[[nodiscard]] SelftestPlace selftest_place();

} // namespace leakbpf
