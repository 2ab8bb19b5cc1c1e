// SPDX-License-Identifier: Apache-2.0
// Steps through 64-bit code, one decoded instruction after the other.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include <Zydis/Zydis.h>

namespace leakbpf {

class InstructionCursor {
public:
  /// `code` lies at `address`, and outlives the cursor.
  InstructionCursor(std::span<const std::uint8_t> code, std::uint64_t address)
      : code_(code), address_(address) {
    ZydisDecoderInit(&decoder_, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  }

  /// To the first or the next instruction. False at the end, and at bytes that are none.
  bool next() {
    at_ += instruction_.length;
    instruction_.length = 0;
    if (at_ >= code_.size())
      return false;
    const auto left = code_.subspan(at_);
    return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder_, left.data(), left.size(), &instruction_,
                                               operands_.data()));
  }
  /// Passes over a byte that is no instruction. False at the end.
  bool skip_byte() {
    instruction_ = {};
    return ++at_ < code_.size();
  }

  [[nodiscard]] const ZydisDecodedInstruction& instruction() const { return instruction_; }
  [[nodiscard]] const ZydisDecodedOperand& operand(std::size_t index) const {
    return operands_.at(index);
  }
  [[nodiscard]] ZydisInstructionCategory category() const { return instruction_.meta.category; }
  /// Where the instruction behind it lies.
  [[nodiscard]] std::uint64_t end() const { return address_ + at_ + instruction_.length; }
  /// The address that an operand names by itself: a direct jump's or call's target, or a variable's
  /// that no register is needed for.
  [[nodiscard]] std::optional<std::uint64_t> absolute(std::size_t index) const {
    ZyanU64 address = 0;
    if (ZYAN_FAILED(ZydisCalcAbsoluteAddress(&instruction_, &operands_.at(index), address_ + at_,
                                             &address)))
      return std::nullopt;
    return address;
  }

private:
  std::span<const std::uint8_t> code_;
  std::uint64_t address_;
  std::size_t at_ = 0;
  ZydisDecoder decoder_{};
  ZydisDecodedInstruction instruction_{};
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands_{};
};

} // namespace leakbpf
