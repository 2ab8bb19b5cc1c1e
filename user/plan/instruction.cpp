// SPDX-License-Identifier: Apache-2.0
#include "plan/instruction.h"

#include <algorithm>
#include <array>

#include <Zydis/Zydis.h>

namespace leakbpf {
namespace {

using Operands = std::span<const ZydisDecodedOperand>;

constexpr std::array kArgumentRegisters = {ZYDIS_REGISTER_RDI, ZYDIS_REGISTER_RSI,
                                           ZYDIS_REGISTER_RDX, ZYDIS_REGISTER_RCX,
                                           ZYDIS_REGISTER_R8,  ZYDIS_REGISTER_R9};

constexpr std::int64_t kReturnAddressBytes = 8;

bool in(std::uint8_t value, std::uint8_t low, std::uint8_t high) {
  return low <= value && value <= high;
}

// The forms that arch/x86/kernel/uprobes.c emulates on every kernel with BPF uprobe links. They are
// matched as whole byte patterns, because a prefix moves some of them to the single-stepped or
// refused ones. Longer nops and register moves came with 6.18 and are not counted on.
bool kernel_emulates(std::span<const std::uint8_t> bytes) {
  const std::uint8_t first = bytes[0];
  switch (bytes.size()) {
  case 1:
    return in(first, 0x50, 0x57) || first == 0x90; // push, nop
  case 2:
    return (first == 0x41 && in(bytes[1], 0x50, 0x57)) || // push r8..r15
           in(first, 0x70, 0x7f) || first == 0xeb;        // jcc, jmp rel8
  case 5:
    return first == 0xe8 || first == 0xe9; // call, jmp rel32
  case 6:
    return first == 0x0f && in(bytes[1], 0x80, 0x8f); // jcc rel32
  default:
    return false;
  }
}

bool is_trap(const ZydisDecodedInstruction& insn) {
  return insn.mnemonic == ZYDIS_MNEMONIC_UD0 || insn.mnemonic == ZYDIS_MNEMONIC_UD1 ||
         insn.mnemonic == ZYDIS_MNEMONIC_UD2 || insn.mnemonic == ZYDIS_MNEMONIC_HLT;
}

Flow flow_of(const ZydisDecodedInstruction& insn, Operands operands) {
  switch (insn.meta.category) {
  case ZYDIS_CATEGORY_CALL:
    return Flow::call;
  case ZYDIS_CATEGORY_SYSCALL:
  case ZYDIS_CATEGORY_INTERRUPT:
    return Flow::system_call;
  case ZYDIS_CATEGORY_COND_BR:
    return Flow::branch;
  case ZYDIS_CATEGORY_UNCOND_BR:
  case ZYDIS_CATEGORY_RET:
  case ZYDIS_CATEGORY_SYSRET:
    return Flow::leave;
  default:
    break;
  }
  if (is_trap(insn)) {
    return Flow::leave;
  }
  // Whatever the categories miss still has to write the instruction pointer.
  const bool writes_ip = std::ranges::any_of(operands, [](const ZydisDecodedOperand& operand) {
    return operand.type == ZYDIS_OPERAND_TYPE_REGISTER && operand.reg.value == ZYDIS_REGISTER_RIP &&
           (operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0;
  });
  return writes_ip ? Flow::leave : Flow::next;
}

Unfit unfitness_of(const ZydisDecodedInstruction& insn) {
  // 5 bytes are rewritten since 6.18, 10 bytes by the scheme that follows it.
  if (insn.mnemonic == ZYDIS_MNEMONIC_NOP && (insn.length == 5 || insn.length == 10)) {
    return Unfit::rewritten_nop;
  }
  const bool relative = (insn.attributes & ZYDIS_ATTRIB_IS_RELATIVE) != 0 &&
                        insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE;
  for (std::size_t i = 0; i < insn.raw.prefix_count; ++i) {
    switch (insn.raw.prefixes[i].value) {
    case 0x26: // es
    case 0x2e: // cs
    case 0x36: // ss
    case 0x3e: // ds, notrack
    case 0xf0: // lock
      return Unfit::bad_prefix;
    case 0x66: // Intel and AMD disagree what it does to a branch
      if (relative) {
        return Unfit::bad_prefix;
      }
      break;
    default:
      break;
    }
  }
  return Unfit::no;
}

bool overwrites_return_address(const ZydisDecodedOperand& operand) {
  const auto& mem = operand.mem;
  if (mem.base != ZYDIS_REGISTER_RSP) {
    return false;
  }
  if (mem.index != ZYDIS_REGISTER_NONE) {
    return true;
  }
  const std::int64_t first = mem.disp.value;
  return first < kReturnAddressBytes && first + operand.size / 8 > 0;
}

void note_write(const ZydisDecodedOperand& operand, Instruction& facts) {
  if (operand.type == ZYDIS_OPERAND_TYPE_MEMORY) {
    facts.loses_return_address |= overwrites_return_address(operand);
    return;
  }
  if (operand.type != ZYDIS_OPERAND_TYPE_REGISTER) {
    return;
  }
  const ZydisRegister whole =
      ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, operand.reg.value);
  facts.loses_return_address |= whole == ZYDIS_REGISTER_RSP;
  const auto argument = std::ranges::find(kArgumentRegisters, whole);
  if (argument != kArgumentRegisters.end()) {
    const auto index = static_cast<unsigned>(argument - kArgumentRegisters.begin());
    facts.writes_arguments = static_cast<std::uint8_t>(facts.writes_arguments | 1U << index);
  }
}

// `test rdi,rdi` or `cmp rdi,0`, of the whole register. (`cmp rdi,rdi` says nothing of rdi.)
bool compares_first_argument_with_zero(const ZydisDecodedInstruction& insn, Operands operands) {
  const auto is_rdi = [&](std::size_t i) {
    return operands[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
           operands[i].reg.value == ZYDIS_REGISTER_RDI;
  };
  if (insn.mnemonic == ZYDIS_MNEMONIC_TEST) {
    return is_rdi(0) && is_rdi(1);
  }
  return insn.mnemonic == ZYDIS_MNEMONIC_CMP && is_rdi(0) &&
         operands[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operands[1].imm.value.u == 0;
}

bool writes_zero_flag(const ZydisDecodedInstruction& insn) {
  if (insn.cpu_flags == nullptr) {
    return false;
  }
  const ZydisAccessedFlags& flags = *insn.cpu_flags;
  return ((flags.modified | flags.set_0 | flags.set_1 | flags.undefined) & ZYDIS_CPUFLAG_ZF) != 0;
}

} // namespace

struct InstructionDecoder::Impl {
  ZydisDecoder decoder{};
  ZydisFormatter formatter{};
};

InstructionDecoder::InstructionDecoder() : impl_(std::make_unique<Impl>()) {
  // None of these can fail with constant, valid arguments.
  ZydisDecoderInit(&impl_->decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  ZydisFormatterInit(&impl_->formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  ZydisFormatterSetProperty(&impl_->formatter, ZYDIS_FORMATTER_PROP_HEX_UPPERCASE, ZYAN_FALSE);
  ZydisFormatterSetProperty(&impl_->formatter, ZYDIS_FORMATTER_PROP_ADDR_PADDING_ABSOLUTE,
                            ZYDIS_PADDING_DISABLED);
}

InstructionDecoder::~InstructionDecoder() = default;
InstructionDecoder::InstructionDecoder(InstructionDecoder&&) noexcept = default;
InstructionDecoder& InstructionDecoder::operator=(InstructionDecoder&&) noexcept = default;

std::optional<Instruction> InstructionDecoder::decode(std::span<const std::uint8_t> code) const {
  ZydisDecodedInstruction insn;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> buffer;
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&impl_->decoder, code.data(), code.size(), &insn,
                                           buffer.data()))) {
    return std::nullopt;
  }
  const Operands operands{buffer.data(), insn.operand_count};
  Instruction facts;
  facts.length = insn.length;
  facts.flow = flow_of(insn, operands);
  facts.unfit = unfitness_of(insn);
  facts.emulated = kernel_emulates(code.first(insn.length));
  facts.tests_first_argument = compares_first_argument_with_zero(insn, operands);
  facts.writes_zero_flag = writes_zero_flag(insn);
  facts.jumps_if_zero = insn.mnemonic == ZYDIS_MNEMONIC_JZ;
  facts.traps = is_trap(insn);
  if (insn.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE && insn.raw.imm[0].is_relative != 0) {
    facts.target = insn.length + insn.raw.imm[0].value.s;
  }
  for (const ZydisDecodedOperand& operand : operands) {
    if ((operand.actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) != 0) {
      note_write(operand, facts);
    }
  }
  return facts;
}

std::string InstructionDecoder::text(std::span<const std::uint8_t> code,
                                     std::uint64_t address) const {
  ZydisDecodedInstruction insn;
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands;
  std::array<char, 128> line{};
  if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&impl_->decoder, code.data(), code.size(), &insn,
                                           operands.data())) ||
      !ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&impl_->formatter, &insn, operands.data(),
                                                    insn.operand_count_visible, line.data(),
                                                    line.size(), address, nullptr))) {
    return {};
  }
  return line.data();
}

std::size_t InstructionDecoder::lowest_branch_target(std::span<const std::uint8_t> code) const {
  std::size_t lowest = code.size();
  for (std::size_t offset = 0; offset < code.size();) {
    ZydisDecoderContext context;
    ZydisDecodedInstruction insn;
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&impl_->decoder, &context, code.data() + offset,
                                                    code.size() - offset, &insn))) {
      // Data between the code, or newer than the decoder. Go on at the next byte: that finds
      // the later branches again, and a branch seen too many only makes the plan more careful.
      ++offset;
      continue;
    }
    offset += insn.length;
    if (insn.meta.branch_type == ZYDIS_BRANCH_TYPE_NONE || insn.raw.imm[0].is_relative == 0) {
      continue;
    }
    const std::int64_t target = static_cast<std::int64_t>(offset) + insn.raw.imm[0].value.s;
    if (target > 0 && target < static_cast<std::int64_t>(lowest)) {
      lowest = static_cast<std::size_t>(target);
    }
  }
  return lowest;
}

} // namespace leakbpf
