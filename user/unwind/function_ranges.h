// SPDX-License-Identifier: Apache-2.0
// Where functions begin and end in a file, by its call-frame information: stripped files have that.
#pragma once

#include "elf/elf_file.h"

#include <cstdint>
#include <map>

namespace leakbpf {

/// Virtual addresses: where a function begins -> where it ends. One that a compiler split has an
/// entry for each part.
using FunctionRanges = std::map<std::uint64_t, std::uint64_t>;

/// Of every function in .eh_frame.
[[nodiscard]] FunctionRanges function_ranges(const ElfFile& file);

/// The one that an address lies in; end() when it lies in none.
[[nodiscard]] FunctionRanges::const_iterator function_at(const FunctionRanges& functions,
                                                         std::uint64_t address);

} // namespace leakbpf
