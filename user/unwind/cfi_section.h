// SPDX-License-Identifier: Apache-2.0
// The bytes of a section with call-frame information, and the encoded pointers in it.
#pragma once

#include "unwind/byte_cursor.h"

#include <cstdint>
#include <optional>
#include <span>

namespace leakbpf {

struct CfiSection {
  enum class Format : std::uint8_t { eh_frame, debug_frame };

  std::span<const std::uint8_t> bytes;
  Format format = Format::eh_frame;
  std::uint64_t address = 0; ///< virtual address of the first byte: what pcrel pointers start from
  std::uint64_t data_base = 0; ///< what datarel pointers are relative to: .eh_frame_hdr
  /// True when the bytes go on after the section, whose end only its terminator tells.
  bool ends_at_terminator = false;
};

/// DW_EH_PE_*: how a pointer in .eh_frame is written (Linux Standard Base, "DWARF Extensions").
namespace pointer_encoding {
constexpr std::uint8_t absolute = 0x00;
constexpr std::uint8_t format_mask = 0x0f;
constexpr std::uint8_t base_mask = 0x70;
constexpr std::uint8_t from_itself = 0x10;
constexpr std::uint8_t from_data = 0x30;
constexpr std::uint8_t aligned = 0x50;
constexpr std::uint8_t indirect = 0x80;
constexpr std::uint8_t omitted = 0xff;
} // namespace pointer_encoding

/// The number of an encoded pointer, whatever it is relative to. Nothing when the format is not
/// known or the bytes end.
[[nodiscard]] std::optional<std::uint64_t> read_encoded(ByteCursor& cursor, std::uint8_t encoding);

/// The address that the pointer under `cursor`, which must lie in `section`, stands for. A null
/// pointer is 0 whatever it is relative to. Nothing for a pointer that has to be looked up in
/// memory.
[[nodiscard]] std::optional<std::uint64_t> read_pointer(ByteCursor& cursor, std::uint8_t encoding,
                                                        const CfiSection& section);

} // namespace leakbpf
