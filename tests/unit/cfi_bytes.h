// SPDX-License-Identifier: Apache-2.0
// Call-frame information by hand: bytes, entries, and an ELF file around them.
#pragma once

#include "unwind/cfi_section.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

namespace leakbpf::cfi {

/// Appends little-endian numbers.
class Bytes : public std::vector<std::uint8_t> {
public:
  using std::vector<std::uint8_t>::vector;

  template <class T> Bytes& fixed(T value) {
    std::uint8_t raw[sizeof(T)];
    std::memcpy(raw, &value, sizeof(T));
    insert(end(), raw, raw + sizeof(T));
    return *this;
  }
  Bytes& u8(unsigned value) { return fixed(static_cast<std::uint8_t>(value)); }
  Bytes& u16(unsigned value) { return fixed(static_cast<std::uint16_t>(value)); }
  Bytes& u32(std::uint64_t value) { return fixed(static_cast<std::uint32_t>(value)); }
  Bytes& u64(std::uint64_t value) { return fixed(value); }
  Bytes& uleb(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      u8(static_cast<unsigned>(value & 0x7f) | 0x80);
    return u8(static_cast<unsigned>(value));
  }
  Bytes& sleb(std::int64_t value) {
    while (value < -64 || value > 63) {
      u8(static_cast<unsigned>(value & 0x7f) | 0x80);
      value >>= 7;
    }
    return u8(static_cast<unsigned>(value & 0x7f));
  }
  Bytes& text(const std::string& value) {
    insert(end(), value.begin(), value.end());
    return u8(0);
  }
  Bytes& add(const Bytes& more) {
    insert(end(), more.begin(), more.end());
    return *this;
  }
  /// A length in front of the bytes, as DW_CFA_*expression have it.
  Bytes& block(const Bytes& content) { return uleb(content.size()).add(content); }
};

/// What compilers put into every CIE for x86-64: the CFA is rsp + 8, the return address at CFA - 8.
inline Bytes usual_start() {
  return Bytes{0x0c, 7, 8, 0x90, 1};
}

struct CieFields {
  std::string letters = "zR";
  unsigned version = 1;
  std::uint64_t code_alignment = 1;
  std::int64_t data_alignment = -8;
  unsigned return_register = 16;
  Bytes augmentation = {0x1b}; ///< pcrel, sdata4
  Bytes instructions = usual_start();
};

/// Assembles .eh_frame or .debug_frame that is loaded at `address`.
class Section {
public:
  using Format = CfiSection::Format;

  explicit Section(std::uint64_t address, Format format = Format::eh_frame, bool is_64_bit = false)
      : address_(address), format_(format), is_64_bit_(is_64_bit) {}

  /// The offset that `fde` wants.
  std::size_t cie(const CieFields& fields = {}) {
    const std::size_t start = bytes.size();
    Bytes body;
    if (format_ == Format::eh_frame)
      body.u32(0);
    else
      is_64_bit_ ? body.u64(~0ULL) : body.u32(~0U);
    body.u8(fields.version).text(fields.letters);
    if (fields.version == 4)
      body.u8(8).u8(0);
    body.uleb(fields.code_alignment).sleb(fields.data_alignment).uleb(fields.return_register);
    if (!fields.letters.empty() && fields.letters[0] == 'z')
      body.block(fields.augmentation);
    else
      body.add(fields.augmentation);
    append(body.add(fields.instructions));
    return start;
  }

  /// With pcrel sdata4 in .eh_frame, and plain addresses in .debug_frame.
  void fde(std::size_t cie, std::uint64_t code, std::uint32_t size,
           const Bytes& instructions = {}) {
    Bytes place;
    if (format_ == Format::eh_frame)
      place.u32(code - (address_ + address_field())).u32(size).u8(0);
    else
      place.u64(code).u64(size);
    raw_fde(cie, place.add(instructions));
  }

  /// `body` is what follows the pointer to the CIE.
  void raw_fde(std::size_t cie, const Bytes& body) {
    Bytes entry;
    if (format_ == Format::eh_frame)
      entry.u32(bytes.size() + length_size() - cie);
    else
      is_64_bit_ ? entry.u64(cie) : entry.u32(cie);
    append(entry.add(body));
  }

  /// Offset of the address in the FDE that comes next.
  [[nodiscard]] std::size_t address_field() const {
    const bool wide_pointer = is_64_bit_ && format_ == Format::debug_frame;
    return bytes.size() + length_size() + (wide_pointer ? 8 : 4);
  }

  Bytes bytes;

private:
  [[nodiscard]] std::size_t length_size() const { return is_64_bit_ ? 12 : 4; }

  void append(const Bytes& entry) {
    if (is_64_bit_)
      bytes.u32(~0U).u64(entry.size());
    else
      bytes.u32(entry.size());
    bytes.add(entry);
  }

  std::uint64_t address_;
  Format format_;
  bool is_64_bit_;
};

} // namespace leakbpf::cfi
