// SPDX-License-Identifier: Apache-2.0
// Bounded walks over DWARF entries: foreign bytes must not hold us.
#pragma once

#include "symbol/interval_index.h"

#include <cstdint>
#include <vector>

#include <elfutils/libdw.h>

namespace leakbpf {

struct AddressRange {
  std::uint64_t low, high;
};

/// The code ranges of an entry, without those of code that the linker threw away.
[[nodiscard]] std::vector<AddressRange> code_ranges(Dwarf_Die& die);

/// Adds every function with code in `unit` to `functions`, as its offset.
void collect_functions(Dwarf_Die& unit, IntervalIndex<Dwarf_Off>& functions);

/// The calls inlined into `function` at `address`, outermost first.
[[nodiscard]] std::vector<Dwarf_Die> inlined_calls(Dwarf_Die& function, std::uint64_t address);

} // namespace leakbpf
