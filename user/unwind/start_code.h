// SPDX-License-Identifier: Apache-2.0
// Finds the code that starts the program and its threads in a C library that is built without
// call-frame information: musl.
#pragma once

#include "unwind/code_ranges.h"
#include "unwind/elf_code.h"

#include <cstdint>
#include <span>
#include <vector>

namespace leakbpf {

/// Where a stack of such a library ends: nothing that matters calls this code, which is
/// `__libc_start_main`, what it hands over to (`libc_start_main_stage2`), and the first functions
/// of a thread (`start`, `start_c11`). Where these have no symbol, as in a library that has its
/// exported ones only, all code without one counts that lies next to `__libc_start_main` or
/// `pthread_create`: they come from the same object files. None in a file that does not define
/// `__libc_start_main`, or in `covered` code (sorted, separate). The ranges found are sorted and
/// separate, each with the row `row`.
[[nodiscard]] std::vector<CodeRange> find_start_code(const ElfFile& file,
                                                     std::span<const CodeSegment> segments,
                                                     std::span<const CodeRange> covered,
                                                     std::uint32_t row);

} // namespace leakbpf
