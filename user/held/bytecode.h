// SPDX-License-Identifier: Apache-2.0
// Going through the instructions of a code object.
#pragma once

#include "held/opcodes.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace leakbpf {

/// Calls `visit` with each instruction, its whole argument, and its place in bytes.
template <class Visit>
void each_instruction(const OpcodeTable& opcodes, std::span<const std::uint8_t> code,
                      Visit&& visit) {
  std::uint32_t argument = 0;
  for (std::size_t at = 0; at + 1 < code.size();) {
    const Opcode& opcode = opcodes.at(code[at]);
    argument = argument << 8 | code[at + 1];
    const auto here = static_cast<std::uint32_t>(at);
    at += 2 + std::size_t{2} * opcode.caches;
    if (opcode.kind == OpcodeKind::extended_argument)
      continue;
    visit(opcode, argument, here);
    argument = 0;
  }
}

/// Which of a code object's names an instruction loads.
[[nodiscard]] inline std::optional<std::uint32_t>
name_index(OpcodeKind kind, std::uint32_t argument, PythonVersion version) {
  if (kind == OpcodeKind::load_global)
    return version >= PythonVersion{3, 11} ? argument >> 1 : argument;
  if (kind == OpcodeKind::load_attribute || kind == OpcodeKind::load_method)
    return version >= PythonVersion{3, 12} ? argument >> 1 : argument;
  return std::nullopt;
}

} // namespace leakbpf
