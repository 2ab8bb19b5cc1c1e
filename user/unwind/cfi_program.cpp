// SPDX-License-Identifier: Apache-2.0
#include "unwind/cfi_program.h"

#include <leakbpf/unwind_abi.h>

#include <dwarf.h>

namespace leakbpf {

namespace {

constexpr std::uint8_t operand_mask = 0x3f; // of the opcodes that hold an operand

std::int64_t negated(std::uint64_t value) {
  return static_cast<std::int64_t>(0 - value);
}

} // namespace

void CfiProgram::start(const Cie& cie, ByteCursor instructions, std::uint64_t address) {
  cie_ = &cie;
  initial_ = &cie.initial;
  state_ = cie.initial;
  instructions_ = instructions;
  address_ = address;
  remembered_count_ = 0;
  ended_ = false;
}

void CfiProgram::start_initial(const Cie& cie, ByteCursor instructions) {
  start(cie, instructions, 0);
  initial_ = nullptr;
}

CfiProgram::Step CfiProgram::next() {
  if (ended_)
    return Step::end;
  row_address_ = address_;
  while (!instructions_.at_end()) {
    if (!execute() || instructions_.failed()) {
      ended_ = true;
      return Step::damaged;
    }
    if (address_ != row_address_)
      return Step::row;
  }
  ended_ = true;
  return Step::row;
}

bool CfiProgram::execute() {
  const std::uint8_t opcode = instructions_.byte();
  const std::uint8_t operand = opcode & operand_mask;
  switch (opcode & ~operand_mask) {
  case DW_CFA_advance_loc:
    return advance(operand);
  case DW_CFA_offset:
    set_rule(operand, {RegisterRule::Kind::at_cfa, 0, factored(instructions_.uleb()), {}});
    return true;
  case DW_CFA_restore:
    return restore(operand);
  default:
    return execute_extended(opcode);
  }
}

bool CfiProgram::execute_extended(std::uint8_t opcode) {
  switch (opcode) {
  case DW_CFA_nop:
    return true;
  case DW_CFA_GNU_args_size: // for exception handlers: arguments on the stack
    (void)instructions_.uleb();
    return true;
  case DW_CFA_set_loc:
    return set_location();
  case DW_CFA_advance_loc1:
    return advance(instructions_.byte());
  case DW_CFA_advance_loc2:
    return advance(instructions_.fixed<std::uint16_t>());
  case DW_CFA_advance_loc4:
    return advance(instructions_.fixed<std::uint32_t>());
  case DW_CFA_MIPS_advance_loc8:
    return advance(instructions_.fixed<std::uint64_t>());
  case DW_CFA_remember_state:
    return remember();
  case DW_CFA_restore_state:
    return recall();
  case DW_CFA_restore_extended:
    return restore(instructions_.uleb());
  case DW_CFA_def_cfa:
  case DW_CFA_def_cfa_sf:
  case DW_CFA_def_cfa_register:
  case DW_CFA_def_cfa_offset:
  case DW_CFA_def_cfa_offset_sf:
  case DW_CFA_def_cfa_expression:
    return define_cfa(opcode);
  default:
    return define_register(opcode);
  }
}

bool CfiProgram::define_cfa(std::uint8_t opcode) {
  switch (opcode) {
  case DW_CFA_def_cfa:
  case DW_CFA_def_cfa_sf: {
    const std::uint64_t base = instructions_.uleb();
    const std::int64_t offset = opcode == DW_CFA_def_cfa
                                    ? static_cast<std::int64_t>(instructions_.uleb())
                                    : factored(static_cast<std::uint64_t>(instructions_.sleb()));
    state_.cfa = {CfaRule::Kind::register_offset, base, offset, {}};
    return true;
  }
  case DW_CFA_def_cfa_register:
    return set_cfa_register(instructions_.uleb());
  case DW_CFA_def_cfa_offset:
    return set_cfa_offset(static_cast<std::int64_t>(instructions_.uleb()));
  case DW_CFA_def_cfa_offset_sf:
    return set_cfa_offset(factored(static_cast<std::uint64_t>(instructions_.sleb())));
  default: // DW_CFA_def_cfa_expression
    state_.cfa = {CfaRule::Kind::expression, 0, state_.cfa.offset, expression(false)};
    return true;
  }
}

bool CfiProgram::define_register(std::uint8_t opcode) {
  using Kind = RegisterRule::Kind;
  const std::uint64_t number = instructions_.uleb(); // the first operand of all of them
  RegisterRule rule;
  switch (opcode) {
  case DW_CFA_undefined:
    rule.kind = Kind::undefined;
    break;
  case DW_CFA_same_value:
    rule.kind = Kind::same;
    break;
  case DW_CFA_offset_extended:
    rule = {Kind::at_cfa, 0, factored(instructions_.uleb()), {}};
    break;
  case DW_CFA_offset_extended_sf:
    rule = {Kind::at_cfa, 0, factored(static_cast<std::uint64_t>(instructions_.sleb())), {}};
    break;
  case DW_CFA_GNU_negative_offset_extended:
    rule = {
        Kind::at_cfa, 0, negated(static_cast<std::uint64_t>(factored(instructions_.uleb()))), {}};
    break;
  case DW_CFA_register:
    rule = {Kind::in_register, instructions_.uleb(), 0, {}};
    break;
  case DW_CFA_expression:
    rule = {Kind::at_value, 0, 0, expression(true)};
    break;
  case DW_CFA_val_offset:
  case DW_CFA_val_offset_sf:
    (void)instructions_.uleb(); // as long as an sleb of the same bytes
    rule.kind = Kind::computed;
    break;
  case DW_CFA_val_expression:
    (void)instructions_.take(instructions_.uleb());
    rule.kind = Kind::computed;
    break;
  default:
    return false;
  }
  set_rule(number, rule);
  return true;
}

void CfiProgram::set_rule(std::uint64_t number, const RegisterRule& rule) {
  if (number == cie_->return_register)
    state_.return_address = rule;
  else if (number == LEAKBPF_REGISTER_FP)
    state_.frame_pointer = rule;
}

bool CfiProgram::restore(std::uint64_t number) {
  if (initial_ == nullptr)
    return false;
  set_rule(number,
           number == cie_->return_register ? initial_->return_address : initial_->frame_pointer);
  return true;
}

bool CfiProgram::remember() {
  if (remembered_count_ == remembered_.size())
    return false;
  remembered_[remembered_count_++] = state_;
  return true;
}

bool CfiProgram::recall() {
  if (remembered_count_ == 0)
    return false;
  state_ = remembered_[--remembered_count_];
  return true;
}

bool CfiProgram::advance(std::uint64_t units) {
  // A wrap around is a step back: the instructions of one function never need it.
  const std::uint64_t address = address_ + units * cie_->code_alignment;
  if (initial_ == nullptr || address < address_)
    return false;
  address_ = address;
  return true;
}

bool CfiProgram::set_location() {
  const auto address = read_pointer(instructions_, cie_->code_encoding, section_);
  if (initial_ == nullptr || !address || *address < address_)
    return false;
  address_ = *address;
  return true;
}

// Hand-written code leaves a CFA by an expression this way: the last offset holds again, as with
// the unwinder of GCC. DWARF does not allow it.
bool CfiProgram::set_cfa_register(std::uint64_t number) {
  const bool defined = state_.cfa.kind != CfaRule::Kind::undefined;
  state_.cfa = {CfaRule::Kind::register_offset, number, state_.cfa.offset, {}};
  return defined;
}

bool CfiProgram::set_cfa_offset(std::int64_t offset) {
  state_.cfa.offset = offset;
  return state_.cfa.kind != CfaRule::Kind::undefined;
}

std::int64_t CfiProgram::factored(std::uint64_t value) const {
  return static_cast<std::int64_t>(value * static_cast<std::uint64_t>(cie_->data_alignment));
}

ExpressionValue CfiProgram::expression(bool starts_with_cfa) {
  const std::uint64_t size = instructions_.uleb();
  return evaluate(instructions_.take(size), starts_with_cfa);
}

} // namespace leakbpf
