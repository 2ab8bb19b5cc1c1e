// SPDX-License-Identifier: Apache-2.0
// An unwind table as bytes of a file, for one's own use on this machine.
#pragma once

#include "unwind/unwind_table.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace leakbpf {

/// The checksum lies at this offset and covers what follows it: CRC-32, as of zlib.
constexpr std::size_t table_checksum_offset = 8;
constexpr std::size_t table_checksum_end = 12;

/// No table has a larger file.
constexpr std::size_t largest_table_file = std::size_t{128} << 20;

/// `layout` tells files apart that have the same build-id.
[[nodiscard]] std::string serialize(const UnwindTable& table, std::uint64_t layout);

/// Nothing when the bytes are damaged, of another version of the builder, or of another layout.
/// What it gives is as well-formed as a table that was just built, whoever wrote the bytes.
[[nodiscard]] std::optional<UnwindTable> parse_table(std::span<const std::uint8_t> bytes,
                                                     std::uint64_t layout);

} // namespace leakbpf
