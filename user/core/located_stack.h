// SPDX-License-Identifier: Apache-2.0
// A stack as places in files, which stay what they are when something else is mapped at their
// addresses.
#pragma once

#include <leakbpf/abi.h>

#include <cstdint>
#include <vector>

namespace leakbpf {

struct CodePlace {
  static constexpr std::uint32_t no_module = ~0U;
  static constexpr std::uint32_t python = ~1U; ///< in a Python code object

  std::uint32_t module = no_module; ///< number of the file, as who located the stack counts them
  bool is_return = true;            ///< the call before it is meant, not the instruction at it
  /// In the file; without a module, the address; in Python, the number of the code object in the
  /// upper half and the instruction in the lower.
  std::uint64_t offset = 0;
};

struct LocatedStack {
  std::vector<CodePlace> places; ///< innermost first
  leakbpf_stack_end end = LEAKBPF_STACK_COMPLETE;
};

/// A hash of the places and the end: equal for the same frames, wherever they were mapped. Never 0.
[[nodiscard]] std::uint64_t hash_places(const LocatedStack& stack);

} // namespace leakbpf
