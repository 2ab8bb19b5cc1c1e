// SPDX-License-Identifier: Apache-2.0
#include "symbol/dwarf_walk.h"

#include <chrono>
#include <cstddef>

#include <dwarf.h>

namespace leakbpf {

namespace {

constexpr std::size_t max_ranges = 1 << 16;
constexpr int max_depth = 128;
constexpr std::size_t max_inlined = 64;
constexpr std::chrono::seconds max_time{5};

/// Steps from entry to entry in the order they lie in the file. In sound DWARF their offsets only
/// grow; damaged sibling links, which could make a walk exponential, break that and end it. The
/// deadline is for the rest: a step is a scan inside libdw, as long as the bytes make it.
class BoundedWalk {
public:
  bool child(Dwarf_Die& die, Dwarf_Die& result) {
    return dwarf_child(&die, &result) == 0 && visit(result);
  }
  bool next(Dwarf_Die& die) {
    Dwarf_Die from = die;
    return dwarf_siblingof(&from, &die) == 0 && visit(die);
  }

private:
  bool visit(Dwarf_Die& die) {
    const Dwarf_Off offset = dwarf_dieoffset(&die);
    if (stopped_ || offset <= last_ || std::chrono::steady_clock::now() > deadline_)
      stopped_ = true;
    last_ = offset;
    return !stopped_;
  }

  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::now() + max_time;
  Dwarf_Off last_ = 0;
  bool stopped_ = false;
};

/// Entries that can hold functions.
bool holds_functions(int tag) {
  switch (tag) {
  case DW_TAG_namespace:
  case DW_TAG_module:
  case DW_TAG_class_type:
  case DW_TAG_structure_type:
  case DW_TAG_union_type:
  case DW_TAG_interface_type:
  case DW_TAG_enumeration_type: // Rust
  case DW_TAG_subprogram:
  case DW_TAG_lexical_block:
    return true;
  default:
    return false;
  }
}

void collect_below(BoundedWalk& walk, Dwarf_Die& parent, IntervalIndex<Dwarf_Off>& functions,
                   int depth) {
  Dwarf_Die die{};
  if (depth > max_depth || !walk.child(parent, die))
    return;
  do {
    const int tag = dwarf_tag(&die);
    if (tag == DW_TAG_subprogram)
      for (const AddressRange& range : code_ranges(die))
        functions.add(range.low, range.high, dwarf_dieoffset(&die));
    if (holds_functions(tag) && dwarf_haschildren(&die) == 1)
      collect_below(walk, die, functions, depth + 1);
  } while (walk.next(die));
}

bool covers(Dwarf_Die& die, std::uint64_t address) {
  for (const AddressRange& range : code_ranges(die))
    if (address >= range.low && address < range.high)
      return true;
  return false;
}

/// Moves `die` to its child block or inlined call that covers `address`.
bool step_inside(BoundedWalk& walk, Dwarf_Die& die, std::uint64_t address) {
  Dwarf_Die child{};
  if (!walk.child(die, child))
    return false;
  do {
    const int tag = dwarf_tag(&child);
    const bool scope = tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block;
    if (scope && covers(child, address)) {
      die = child;
      return true;
    }
  } while (walk.next(child));
  return false;
}

} // namespace

std::vector<AddressRange> code_ranges(Dwarf_Die& die) {
  std::vector<AddressRange> ranges;
  Dwarf_Addr base = 0;
  Dwarf_Addr low = 0;
  Dwarf_Addr high = 0;
  ptrdiff_t at = 0;
  while (ranges.size() < max_ranges && (at = dwarf_ranges(&die, at, &base, &low, &high)) > 0)
    // Linkers set the addresses of discarded code to 0 (or to 1 in a range list), where it would
    // hide the real code of a shared library. An ELF header lies at 0, never code.
    if (low > 1)
      ranges.push_back(AddressRange{low, high});
  return ranges;
}

void collect_functions(Dwarf_Die& unit, IntervalIndex<Dwarf_Off>& functions) {
  BoundedWalk walk;
  collect_below(walk, unit, functions, 0);
}

std::vector<Dwarf_Die> inlined_calls(Dwarf_Die& function, std::uint64_t address) {
  std::vector<Dwarf_Die> calls;
  BoundedWalk walk;
  Dwarf_Die die = function;
  for (int depth = 0; depth < max_depth && calls.size() < max_inlined; ++depth) {
    if (!step_inside(walk, die, address))
      break;
    if (dwarf_tag(&die) == DW_TAG_inlined_subroutine)
      calls.push_back(die);
  }
  return calls;
}

} // namespace leakbpf
