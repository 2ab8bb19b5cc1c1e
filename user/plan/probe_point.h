// SPDX-License-Identifier: Apache-2.0
// Where in a function's first block a uprobe is cheapest and still sound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace leakbpf {

/// What the kernel does with the instruction under a uprobe's breakpoint (x86-64).
enum class ProbeCost {
  emulated,       ///< the kernel computes its effect: one trap (about 0.7 us)
  single_stepped, ///< run out of line with the trap flag: two traps (about 9 us on a VM)
};

/// What a probe must be able to see where it stands.
struct ProbeNeed {
  /// Bit i set: the i-th integer argument register (rdi, rsi, rdx, rcx, r8, r9) must still hold
  /// its value at function entry.
  std::uint8_t arguments = 0;
  /// [rsp] must still be the return address (needed by return probes and by the stack walker).
  bool needs_return_address = true;
  /// Calls whose first argument is zero need not be seen: free(NULL).
  bool null_first_argument_may_skip = false;
};

/// The chosen place.
struct ProbePoint {
  std::uint32_t offset = 0; ///< bytes from the function's start
  std::string instruction;  ///< disassembly, Intel syntax
  ProbeCost cost = ProbeCost::single_stepped;
  std::string reason; ///< why this place, in a few words for `doctor`
};

/// Picks the cheapest sound instruction for a uprobe in `code`, the bytes of one function that
/// starts at virtual address `address`. Never fails: with nothing better it is the entry.
[[nodiscard]] ProbePoint plan_probe_point(std::span<const std::uint8_t> code, std::uint64_t address,
                                          const ProbeNeed& need);

} // namespace leakbpf
