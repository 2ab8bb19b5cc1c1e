// SPDX-License-Identifier: Apache-2.0
// Runs the instructions of call-frame information (DWARF 5, section 6.4.2) for the three columns
// that we unwind with: the CFA, the return address and rbp.
#pragma once

#include "unwind/byte_cursor.h"
#include "unwind/cfi_expression.h"
#include "unwind/cfi_section.h"

#include <array>
#include <cstddef>
#include <cstdint>

namespace leakbpf {

struct CfaRule {
  enum class Kind : std::uint8_t { undefined, register_offset, expression };
  Kind kind = Kind::undefined;
  std::uint64_t base = 0;  ///< DWARF register number; of register_offset
  std::int64_t offset = 0; ///< of register_offset; the last one stays in an expression
  ExpressionValue value;   ///< of expression
};

/// Where the caller's value of a register is.
struct RegisterRule {
  enum class Kind : std::uint8_t {
    unspecified, ///< what the ABI says: the return address at CFA - 8, rbp unchanged
    undefined,
    same,
    at_cfa,      ///< saved at CFA + offset
    in_register, ///< in register `base`
    at_value,    ///< saved where the expression `value` points
    computed,    ///< not saved: an offset from the CFA, or an expression, is the value itself
  };
  Kind kind = Kind::unspecified;
  std::uint64_t base = 0;
  std::int64_t offset = 0;
  ExpressionValue value;
};

struct CfiState {
  CfaRule cfa;
  RegisterRule return_address;
  RegisterRule frame_pointer;
};

/// A common information entry (CIE).
struct Cie {
  std::uint64_t code_alignment = 1;
  std::int64_t data_alignment = 1;
  std::uint64_t return_register = 16;                         ///< the column of the return address
  std::uint8_t code_encoding = pointer_encoding::absolute;    ///< of the addresses in FDEs
  std::uint8_t personal_encoding = pointer_encoding::omitted; ///< of the pointer to the LSDA
  bool sized_augmentation = false; ///< FDEs say how long their augmentation data is
  bool signal_frame = false;
  bool damaged = false;
  CfiState initial;
};

/// Passes over the instructions of FDEs and CIEs, one after the other. No pass takes more steps
/// than there are bytes, and nothing is allocated.
class CfiProgram {
public:
  enum class Step : std::uint8_t { row, end, damaged };

  /// `section` outlives the program.
  explicit CfiProgram(const CfiSection& section) : section_(section) {}

  /// The instructions of an FDE; they continue where those of its CIE ended. `cie` outlives the
  /// pass.
  void start(const Cie& cie, ByteCursor instructions, std::uint64_t address);
  /// The instructions of `cie` itself. They give one row: there are no addresses yet.
  void start_initial(const Cie& cie, ByteCursor instructions);

  /// Runs up to where the address moves on, or the instructions end. On `row`, `state` holds from
  /// `row_address` to the next row's address.
  Step next();

  [[nodiscard]] const CfiState& state() const { return state_; }
  [[nodiscard]] std::uint64_t row_address() const { return row_address_; }

private:
  bool execute();
  bool execute_extended(std::uint8_t opcode);
  bool define_cfa(std::uint8_t opcode);
  bool define_register(std::uint8_t opcode);
  bool advance(std::uint64_t units);
  bool set_location();
  bool set_cfa_register(std::uint64_t number);
  bool set_cfa_offset(std::int64_t offset);
  bool restore(std::uint64_t number);
  bool remember();
  bool recall();
  void set_rule(std::uint64_t number, const RegisterRule& rule);
  [[nodiscard]] std::int64_t factored(std::uint64_t value) const;
  ExpressionValue expression(bool starts_with_cfa);

  // Compilers nest these two or three deep.
  static constexpr std::size_t most_remembered = 16;

  const CfiSection& section_;
  const Cie* cie_ = nullptr;
  const CfiState* initial_ = nullptr; ///< null in the instructions of a CIE
  ByteCursor instructions_;
  CfiState state_;
  std::uint64_t address_ = 0;
  std::uint64_t row_address_ = 0;
  std::size_t remembered_count_ = 0;
  bool ended_ = true;
  std::array<CfiState, most_remembered> remembered_;
};

} // namespace leakbpf
