// SPDX-License-Identifier: Apache-2.0
#include "unwind/cfi_expression.h"

#include <leakbpf/unwind_abi.h>

#include <array>
#include <cstddef>
#include <optional>

#include <dwarf.h>

namespace leakbpf {

namespace {

using Kind = ExpressionValue::Kind;

/// Sums wrap around, as they do in the unwinder that an expression is written for.
std::int64_t sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

ExpressionValue plus(ExpressionValue value, std::int64_t constant) {
  if (value.kind == Kind::register_memory)
    value.add = sum(value.add, constant);
  else
    value.offset = sum(value.offset, constant);
  return value;
}

ExpressionValue plus(const ExpressionValue& a, const ExpressionValue& b) {
  if (b.kind == Kind::constant)
    return plus(a, b.offset);
  if (a.kind == Kind::constant)
    return plus(b, a.offset);
  return {};
}

ExpressionValue memory_at(const ExpressionValue& address) {
  if (address.kind != Kind::register_offset)
    return {};
  return {Kind::register_memory, address.base, address.offset, 0};
}

ExpressionValue register_value(std::uint64_t number, std::int64_t offset) {
  if (number >= LEAKBPF_REGISTER_COUNT)
    return {};
  return {Kind::register_offset, static_cast<std::uint8_t>(number), offset, 0};
}

/// The value of an operation that takes nothing from the stack.
std::optional<ExpressionValue> pushed(std::uint8_t operation, ByteCursor& operands) {
  const auto constant = [](auto value) {
    return ExpressionValue{Kind::constant, 0, static_cast<std::int64_t>(value), 0};
  };
  if (operation >= DW_OP_lit0 && operation <= DW_OP_lit31)
    return constant(operation - DW_OP_lit0);
  if (operation >= DW_OP_breg0 && operation <= DW_OP_breg31)
    return register_value(operation - DW_OP_breg0, operands.sleb());
  switch (operation) {
  case DW_OP_bregx: {
    const std::uint64_t number = operands.uleb();
    return register_value(number, operands.sleb());
  }
  case DW_OP_const1u:
    return constant(operands.byte());
  case DW_OP_const1s:
    return constant(operands.fixed<std::int8_t>());
  case DW_OP_const2u:
    return constant(operands.fixed<std::uint16_t>());
  case DW_OP_const2s:
    return constant(operands.fixed<std::int16_t>());
  case DW_OP_const4u:
    return constant(operands.fixed<std::uint32_t>());
  case DW_OP_const4s:
    return constant(operands.fixed<std::int32_t>());
  case DW_OP_const8u:
  case DW_OP_const8s:
    return constant(operands.fixed<std::int64_t>());
  case DW_OP_constu:
    return constant(operands.uleb());
  case DW_OP_consts:
    return constant(operands.sleb());
  default:
    return std::nullopt;
  }
}

class Stack {
public:
  void push(const ExpressionValue& value) {
    if (size_ == values_.size())
      failed_ = true;
    else
      values_[size_++] = value;
  }
  ExpressionValue pop() {
    if (size_ == 0) {
      failed_ = true;
      return {};
    }
    return values_[--size_];
  }
  [[nodiscard]] bool failed() const { return failed_; }

private:
  std::array<ExpressionValue, 8> values_{}; // no form that we know needs more than three
  std::size_t size_ = 0;
  bool failed_ = false;
};

bool change_top(Stack& stack, std::uint8_t operation, ByteCursor& operands) {
  switch (operation) {
  case DW_OP_nop:
    return true;
  case DW_OP_plus_uconst: {
    const auto constant = static_cast<std::int64_t>(operands.uleb());
    stack.push(plus(stack.pop(), constant));
    return true;
  }
  case DW_OP_plus: {
    const ExpressionValue second = stack.pop();
    stack.push(plus(stack.pop(), second));
    return true;
  }
  case DW_OP_minus: {
    ExpressionValue second = stack.pop();
    if (second.kind != Kind::constant)
      return false;
    second.offset = static_cast<std::int64_t>(0 - static_cast<std::uint64_t>(second.offset));
    stack.push(plus(stack.pop(), second));
    return true;
  }
  case DW_OP_deref:
    stack.push(memory_at(stack.pop()));
    return true;
  default:
    return false;
  }
}

/// rsp + N + (((rip & 15) >= T) << 3), as: breg7 N; breg16 0; lit15; and; litT; ge; lit3; shl; plus
std::optional<ExpressionValue> procedure_linkage(ByteCursor expression) {
  if (expression.byte() != DW_OP_breg7)
    return std::nullopt;
  ExpressionValue value{Kind::procedure_linkage, LEAKBPF_REGISTER_SP, expression.sleb(), 0};
  if (expression.byte() != DW_OP_breg16 || expression.sleb() != 0 ||
      expression.byte() != DW_OP_lit15 || expression.byte() != DW_OP_and)
    return std::nullopt;
  const std::uint8_t threshold = expression.byte();
  if (threshold < DW_OP_lit0 || threshold > DW_OP_lit15)
    return std::nullopt;
  value.add = threshold - DW_OP_lit0;
  for (const int operation : {DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus})
    if (expression.byte() != operation)
      return std::nullopt;
  if (expression.failed() || !expression.at_end())
    return std::nullopt;
  return value;
}

} // namespace

ExpressionValue evaluate(ByteCursor expression, bool starts_with_cfa) {
  if (const auto linkage = procedure_linkage(expression))
    return *linkage;
  Stack stack;
  if (starts_with_cfa)
    stack.push({Kind::register_offset, ExpressionValue::cfa, 0, 0});
  while (!expression.at_end()) {
    const std::uint8_t operation = expression.byte();
    if (const auto value = pushed(operation, expression))
      stack.push(*value);
    else if (!change_top(stack, operation, expression))
      return {};
  }
  const ExpressionValue result = stack.pop();
  return expression.failed() || stack.failed() ? ExpressionValue{} : result;
}

} // namespace leakbpf
