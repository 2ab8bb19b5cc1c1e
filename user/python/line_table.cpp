// SPDX-License-Identifier: Apache-2.0
#include "python/line_table.h"

namespace leakbpf {

namespace {

std::optional<std::uint32_t> valid_line(std::int64_t line) {
  if (line < 0 || line > INT32_MAX)
    return std::nullopt;
  return static_cast<std::uint32_t>(line);
}

/// Pairs of (unsigned bytes of code, signed lines), each added when the code reaches it.
std::optional<std::uint32_t> in_lnotab(std::span<const std::uint8_t> table, std::int64_t line,
                                       std::uint32_t instruction) {
  std::uint64_t address = 0;
  for (std::size_t i = 0; i + 1 < table.size(); i += 2) {
    address += table[i];
    if (address > instruction)
      break;
    line += static_cast<std::int8_t>(table[i + 1]);
  }
  return valid_line(line);
}

/// Pairs of (bytes of code, signed lines): the lines are added first; -128 says that this code has
/// no line.
std::optional<std::uint32_t> in_linetable(std::span<const std::uint8_t> table, std::int64_t line,
                                          std::uint32_t instruction) {
  constexpr std::int8_t no_line = -128;
  std::uint64_t address = 0;
  for (std::size_t i = 0; i + 1 < table.size(); i += 2) {
    const auto change = static_cast<std::int8_t>(table[i + 1]);
    if (change != no_line)
      line += change;
    address += table[i];
    if (instruction < address)
      return change == no_line ? std::nullopt : valid_line(line);
  }
  return std::nullopt;
}

/// Numbers of the location table: six bits a byte, lowest first, bit 6 says that more follow.
class LocationReader {
public:
  explicit LocationReader(std::span<const std::uint8_t> table) : table_(table) {}

  [[nodiscard]] bool at_end() const { return at_ >= table_.size(); }
  std::uint8_t byte() { return at_end() ? std::uint8_t{0} : table_[at_++]; }
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 60 && !at_end(); shift += 6) {
      const std::uint8_t next = byte();
      value |= std::uint64_t{next & 0x3FU} << shift;
      if ((next & 0x40) == 0)
        break;
    }
    return value;
  }
  /// The sign is the lowest bit.
  std::int64_t signed_number() {
    const std::uint64_t value = number();
    const auto magnitude = static_cast<std::int64_t>(value >> 1);
    return (value & 1) != 0 ? -magnitude : magnitude;
  }

private:
  std::span<const std::uint8_t> table_;
  std::size_t at_ = 0;
};

/// Entries of one or more bytes: the first is 0x80 | code << 3 | (units of code - 1).
std::optional<std::uint32_t> in_locations(std::span<const std::uint8_t> table, std::int64_t line,
                                          std::uint32_t instruction) {
  constexpr std::uint32_t unit = 2;
  enum : unsigned { one_line_0 = 10, one_line_2 = 12, no_columns = 13, full = 14, none = 15 };
  LocationReader reader(table);
  std::uint64_t address = 0;
  while (!reader.at_end()) {
    const std::uint8_t head = reader.byte();
    if ((head & 0x80) == 0)
      return std::nullopt; // not the beginning of an entry
    const unsigned code = (head >> 3) & 0xFU;
    if (code < one_line_0) {
      reader.byte();
    } else if (code <= one_line_2) {
      line += code - one_line_0;
      reader.byte();
      reader.byte();
    } else if (code == no_columns) {
      line += reader.signed_number();
    } else if (code == full) {
      line += reader.signed_number();
      reader.number();
      reader.number();
      reader.number();
    }
    address += std::uint64_t{(head & 7U) + 1} * unit;
    if (instruction < address)
      return code == none ? std::nullopt : valid_line(line);
    if (line < INT32_MIN || line > INT32_MAX)
      return std::nullopt;
  }
  return std::nullopt;
}

} // namespace

std::optional<std::uint32_t> line_of(LineTableKind kind, std::span<const std::uint8_t> table,
                                     std::uint32_t first_line, std::uint32_t instruction) {
  switch (kind) {
  case LineTableKind::lnotab:
    return in_lnotab(table, first_line, instruction);
  case LineTableKind::linetable:
    return in_linetable(table, first_line, instruction);
  default:
    return in_locations(table, first_line, instruction);
  }
}

} // namespace leakbpf
