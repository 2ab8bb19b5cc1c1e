// SPDX-License-Identifier: Apache-2.0
#include "python/code_follower.h"

#include "python/instruction_cursor.h"

#include <array>

namespace leakbpf {

namespace {

class Follower {
public:
  explicit Follower(const ProcessMemory& memory) : memory_(memory) {}

  /// Until `at_branch` has an answer at a call or a jump. Conditional jumps are passed by.
  template <class Answer, class Visitor>
  std::optional<Answer> follow(InstructionCursor cursor, const Visitor& at_branch) {
    while (cursor.next()) {
      next_ = cursor.end();
      const bool jump = cursor.category() == ZYDIS_CATEGORY_UNCOND_BR;
      if (jump || cursor.category() == ZYDIS_CATEGORY_CALL)
        if (const std::optional<Answer> answer = at_branch(*this, cursor.operand(0), jump))
          return answer;
      if (cursor.category() == ZYDIS_CATEGORY_RET)
        return std::nullopt;
      apply(cursor);
    }
    return std::nullopt;
  }

  [[nodiscard]] const KnownValue& first_argument() const {
    return registers_.at(index(ZYDIS_REGISTER_RDI));
  }
  [[nodiscard]] std::optional<std::uint64_t> pointer(const ZydisDecodedOperand& operand) const {
    const KnownValue value = moved(operand);
    if (value.what != KnownValue::What::value)
      return std::nullopt;
    return value.value;
  }

private:
  [[nodiscard]] static std::size_t index(ZydisRegister reg) {
    return static_cast<std::size_t>(
        ZydisRegisterGetId(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg)));
  }
  /// Nothing is known of other registers than the general ones: segments, control registers.
  [[nodiscard]] KnownValue known(ZydisRegister reg) const {
    return is_general(reg) ? registers_.at(index(reg)) : KnownValue{};
  }
  [[nodiscard]] std::optional<std::uint64_t> effective(const ZydisDecodedOperand& operand) const {
    const auto& mem = operand.mem;
    if (mem.index != ZYDIS_REGISTER_NONE ||
        (mem.segment != ZYDIS_REGISTER_DS && mem.segment != ZYDIS_REGISTER_SS))
      return std::nullopt;
    const auto displacement = static_cast<std::uint64_t>(mem.disp.value);
    if (mem.base == ZYDIS_REGISTER_RIP)
      return next_ + displacement;
    if (mem.base == ZYDIS_REGISTER_NONE)
      return displacement;
    const KnownValue base = known(mem.base);
    if (base.what != KnownValue::What::value)
      return std::nullopt;
    return base.value + displacement;
  }

  [[nodiscard]] KnownValue moved(const ZydisDecodedOperand& from) const {
    if (from.type == ZYDIS_OPERAND_TYPE_REGISTER)
      return known(from.reg.value);
    if (from.type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
      return {KnownValue::What::value, from.imm.value.u};
    const auto address = effective(from);
    if (!address)
      return {};
    if (from.size == 32)
      return {KnownValue::What::loaded, *address};
    // A pointer, such as that to _PyRuntime in the global offset table.
    const auto value = memory_.get<std::uint64_t>(*address);
    return value ? KnownValue{KnownValue::What::value, *value} : KnownValue{};
  }

  void apply(const InstructionCursor& cursor) {
    const ZydisDecodedInstruction& instruction = cursor.instruction();
    const ZydisDecodedOperand& to = cursor.operand(0);
    const ZydisDecodedOperand& from = cursor.operand(1);
    if (cursor.category() == ZYDIS_CATEGORY_CALL) {
      for (const ZydisRegister lost : {ZYDIS_REGISTER_RAX, ZYDIS_REGISTER_RCX, ZYDIS_REGISTER_RDX,
                                       ZYDIS_REGISTER_RSI, ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_R8,
                                       ZYDIS_REGISTER_R9, ZYDIS_REGISTER_R10, ZYDIS_REGISTER_R11})
        registers_.at(index(lost)) = {};
      return;
    }
    for (std::size_t i = 0; i < instruction.operand_count; i++) {
      const ZydisDecodedOperand& operand = cursor.operand(i);
      const bool written = (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
      if (!written || operand.type != ZYDIS_OPERAND_TYPE_REGISTER || !is_general(operand.reg.value))
        continue;
      KnownValue now;
      if (i == 0 && instruction.mnemonic == ZYDIS_MNEMONIC_MOV)
        now = moved(from);
      else if (i == 0 && instruction.mnemonic == ZYDIS_MNEMONIC_LEA) {
        if (const auto address = effective(from))
          now = {KnownValue::What::value, *address};
      } else if (i == 0 && instruction.mnemonic == ZYDIS_MNEMONIC_ADD &&
                 from.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        const KnownValue before = known(to.reg.value);
        if (before.what == KnownValue::What::value)
          now = {KnownValue::What::value, before.value + from.imm.value.u};
      }
      registers_.at(index(operand.reg.value)) = now;
    }
  }

  [[nodiscard]] static bool is_general(ZydisRegister reg) {
    const auto kind = ZydisRegisterGetClass(reg);
    return kind == ZYDIS_REGCLASS_GPR64 || kind == ZYDIS_REGCLASS_GPR32 ||
           kind == ZYDIS_REGCLASS_GPR16 || kind == ZYDIS_REGCLASS_GPR8;
  }

  std::uint64_t next_ = 0;
  const ProcessMemory& memory_;
  std::array<KnownValue, 16> registers_{};
};

} // namespace

std::optional<KnownValue> follow_first_argument(std::span<const std::uint8_t> code,
                                                std::uint64_t address,
                                                const ProcessMemory& memory) {
  return Follower(memory).follow<KnownValue>(InstructionCursor(code, address),
                                             [](const Follower& state,
                                                const ZydisDecodedOperand& /*target*/,
                                                bool /*jump*/) -> std::optional<KnownValue> {
                                               const KnownValue& value = state.first_argument();
                                               if (value.what == KnownValue::What::nothing)
                                                 return std::nullopt;
                                               return value;
                                             });
}

std::optional<std::uint64_t> follow_to_jump(std::span<const std::uint8_t> code,
                                            std::uint64_t address, const ProcessMemory& memory) {
  return Follower(memory).follow<std::uint64_t>(
      InstructionCursor(code, address),
      [](const Follower& state, const ZydisDecodedOperand& target,
         bool jump) -> std::optional<std::uint64_t> {
        if (!jump || target.type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
          return std::nullopt;
        return state.pointer(target);
      });
}

} // namespace leakbpf
