// SPDX-License-Identifier: Apache-2.0
// The symbols that some distributions leave in a stripped file, compressed (.gnu_debugdata).
#pragma once

#include <cstdint>
#include <vector>

#include <gelf.h>

namespace leakbpf {

/// The ELF file inside `elf`. Empty: there is none, or it cannot be read.
[[nodiscard]] std::vector<std::uint8_t> read_mini_debug_info(Elf* elf);

} // namespace leakbpf
