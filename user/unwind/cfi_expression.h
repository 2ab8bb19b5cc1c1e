// SPDX-License-Identifier: Apache-2.0
// What a DWARF expression in call-frame information computes, when it is one of a few known forms.
#pragma once

#include "unwind/byte_cursor.h"

#include <cstdint>

namespace leakbpf {

struct ExpressionValue {
  enum class Kind : std::uint8_t {
    unknown,          ///< of another form
    constant,         ///< offset
    register_offset,  ///< base + offset
    register_memory,  ///< *(base + offset) + add
    procedure_linkage ///< rsp + offset + ((rip & 15) >= add ? 8 : 0): in .plt, written by linkers
  };
  /// As `base`: the CFA, which expressions of registers find on the stack.
  static constexpr std::uint8_t cfa = 0xff;

  Kind kind = Kind::unknown;
  std::uint8_t base = 0; ///< DWARF number of a general register (0 to 15), or `cfa`
  std::int64_t offset = 0;
  std::int64_t add = 0;
};

/// Computes with symbols instead of values (DWARF 5, section 2.5). `starts_with_cfa` is true for
/// the expression of a register and false for the one of the CFA itself (section 6.4.2).
[[nodiscard]] ExpressionValue evaluate(ByteCursor expression, bool starts_with_cfa);

} // namespace leakbpf
