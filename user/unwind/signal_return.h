// SPDX-License-Identifier: Apache-2.0
// Finds the code that a signal handler returns to where no call-frame information marks it.
#pragma once

#include "unwind/code_ranges.h"
#include "unwind/elf_code.h"

#include <cstdint>
#include <span>
#include <vector>

namespace leakbpf {

/// Looks in the code outside of `covered` (sorted, separate) for `mov $15, %rax; syscall`: the call
/// of rt_sigreturn, as musl and Go have it. The ranges found are sorted and separate, each with the
/// row `row`; those that can be start one byte before the code: it is entered by a return, and the
/// caller of a function is looked up at the return address - 1.
[[nodiscard]] std::vector<CodeRange> find_signal_returns(const ElfFile& file,
                                                         std::span<const CodeSegment> segments,
                                                         std::span<const CodeRange> covered,
                                                         std::uint32_t row);

} // namespace leakbpf
