// SPDX-License-Identifier: Apache-2.0
// What the probe planner must know of one x86-64 instruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

namespace leakbpf {

/// Where control goes after an instruction.
enum class Flow : std::uint8_t {
  next,        ///< always to the following instruction
  branch,      ///< there or elsewhere
  leave,       ///< elsewhere only: jump, return, trap
  call,        ///< through another function, which may clobber anything volatile
  system_call, ///< through the kernel; the call's effect has happened after it
};

/// Why a uprobe must not, or cannot, stand on an instruction.
enum class Unfit : std::uint8_t {
  no,
  rewritten_nop, ///< since 6.18 the kernel turns it into a call that writes below rsp
  bad_prefix,    ///< the kernel refuses the probe
};

/// The facts of one decoded instruction.
struct Instruction {
  std::uint32_t length = 0;
  Flow flow = Flow::next;
  Unfit unfit = Unfit::no;
  bool emulated = false; ///< the kernel computes its effect, on every version we support
  std::uint8_t writes_arguments = 0; ///< bit i: (part of) the i-th integer argument register
  bool loses_return_address = false; ///< [rsp] is no longer the return address after it
  bool tests_first_argument = false; ///< ZF after it means: rdi is zero
  bool writes_zero_flag = false;
  bool jumps_if_zero = false;
  bool traps = false; ///< it leaves, but to nowhere: what follows it is not reached
  /// Where a direct jump, branch or call goes, counted from this instruction's first byte.
  std::optional<std::int64_t> target;
};

/// A decoder for 64-bit code. Reads no byte outside the spans it is given.
class InstructionDecoder {
public:
  InstructionDecoder();
  ~InstructionDecoder();
  InstructionDecoder(InstructionDecoder&&) noexcept;
  InstructionDecoder& operator=(InstructionDecoder&&) noexcept;
  InstructionDecoder(const InstructionDecoder&) = delete;
  InstructionDecoder& operator=(const InstructionDecoder&) = delete;

  /// The instruction at the front of `code`; nothing when it is truncated or no instruction.
  [[nodiscard]] std::optional<Instruction> decode(std::span<const std::uint8_t> code) const;

  /// Its text in Intel syntax, as it reads at `address`.
  [[nodiscard]] std::string text(std::span<const std::uint8_t> code, std::uint64_t address) const;

  /// The lowest offset above zero that a direct branch or call in `code` goes to;
  /// code.size() when there is none.
  [[nodiscard]] std::size_t lowest_branch_target(std::span<const std::uint8_t> code) const;

private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

} // namespace leakbpf
