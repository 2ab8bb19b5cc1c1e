// SPDX-License-Identifier: Apache-2.0
#include "unwind/cfi_section.h"

namespace leakbpf {

namespace {

std::uint64_t extended(std::int64_t value) {
  return static_cast<std::uint64_t>(value);
}

} // namespace

std::optional<std::uint64_t> read_encoded(ByteCursor& cursor, std::uint8_t encoding) {
  std::uint64_t value = 0;
  switch (encoding & pointer_encoding::format_mask) {
  case 0x00: // as wide as an address
  case 0x08: // the same, signed
  case 0x04:
  case 0x0c:
    value = cursor.fixed<std::uint64_t>();
    break;
  case 0x01:
    value = cursor.uleb();
    break;
  case 0x02:
    value = cursor.fixed<std::uint16_t>();
    break;
  case 0x03:
    value = cursor.fixed<std::uint32_t>();
    break;
  case 0x09:
    value = extended(cursor.sleb());
    break;
  case 0x0a:
    value = extended(cursor.fixed<std::int16_t>());
    break;
  case 0x0b:
    value = extended(cursor.fixed<std::int32_t>());
    break;
  default:
    return std::nullopt;
  }
  return cursor.failed() ? std::nullopt : std::optional(value);
}

std::optional<std::uint64_t> read_pointer(ByteCursor& cursor, std::uint8_t encoding,
                                          const CfiSection& section) {
  if ((encoding & pointer_encoding::indirect) != 0)
    return std::nullopt;
  const auto place = static_cast<std::uint64_t>(cursor.position() - section.bytes.data());
  const auto value = read_encoded(cursor, encoding);
  if (!value || *value == 0)
    return value;
  switch (encoding & pointer_encoding::base_mask) {
  case pointer_encoding::absolute:
    return *value;
  case pointer_encoding::from_itself:
    return section.address + place + *value;
  case pointer_encoding::from_data:
    return section.data_base + *value;
  default:
    return std::nullopt;
  }
}

} // namespace leakbpf
