// SPDX-License-Identifier: Apache-2.0
// Which line a bytecode instruction belongs to. Formats: CPython's Objects/lnotab_notes.txt (to
// 3.9), PEP 626 with Objects/lnotab_notes.txt of 3.10, and Objects/locations.md (from 3.11).
#pragma once

#include "python/layout.h"

#include <cstdint>
#include <optional>
#include <span>

namespace leakbpf {

/// `instruction` is a byte offset into the bytecode. Nothing where the table knows no line, or is
/// damaged. Never reads outside the table.
[[nodiscard]] std::optional<std::uint32_t> line_of(LineTableKind kind,
                                                   std::span<const std::uint8_t> table,
                                                   std::uint32_t first_line,
                                                   std::uint32_t instruction);

} // namespace leakbpf
