// SPDX-License-Identifier: Apache-2.0
// The symbols that some distributions leave in a stripped file, compressed (.gnu_debugdata).
#pragma once

#include "elf/elf_file.h"

#include <cstdint>
#include <vector>

namespace leakbpf {

/// The ELF file inside `file`. Empty: there is none, or it cannot be read.
[[nodiscard]] std::vector<std::uint8_t> read_mini_debug_info(const ElfFile& file);

} // namespace leakbpf
