// SPDX-License-Identifier: Apache-2.0
// Reads numbers out of foreign bytes and never past their end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace leakbpf {

/// A failed read gives 0 and puts the cursor at the end, where all later reads fail: a caller may
/// check `failed` once after several of them, and a loop up to the end ends. Little-endian.
class ByteCursor {
public:
  ByteCursor() = default;
  ByteCursor(const std::uint8_t* begin, const std::uint8_t* end) : at_(begin), end_(end) {}

  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool at_end() const { return at_ == end_; }
  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] const std::uint8_t* position() const { return at_; }

  template <class T> T fixed() {
    T value{};
    if (left() < sizeof(T)) {
      fail();
      return value;
    }
    std::memcpy(&value, at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }

  std::uint8_t byte() {
    if (at_ == end_) {
      fail();
      return 0;
    }
    return *at_++;
  }

  /// Unsigned and signed LEB128 (DWARF 5, section 7.6). What does not fit into 64 bits is cut off.
  std::uint64_t uleb() {
    unsigned shift = 0;
    std::uint8_t last = 0;
    return leb(shift, last);
  }
  std::int64_t sleb() {
    unsigned shift = 0;
    std::uint8_t last = 0;
    std::uint64_t value = leb(shift, last);
    if (shift < 64 && (last & 0x40) != 0)
      value |= ~std::uint64_t{0} << shift;
    return static_cast<std::int64_t>(value);
  }

  void skip(std::uint64_t count) {
    if (count > left())
      fail();
    else
      at_ += count;
  }

  /// The next `count` bytes, as a cursor of their own; an empty one when there are not so many.
  ByteCursor take(std::uint64_t count) {
    const std::uint8_t* begin = at_;
    skip(count);
    return failed_ ? ByteCursor() : ByteCursor(begin, at_);
  }

private:
  void fail() {
    failed_ = true;
    at_ = end_;
  }

  std::uint64_t leb(unsigned& shift, std::uint8_t& last) {
    constexpr unsigned longest = 10 * 7; // bits in as many bytes as 64 bits can need
    std::uint64_t value = 0;
    do {
      if (at_ == end_ || shift == longest) {
        fail();
        return 0;
      }
      last = *at_++;
      if (shift < 64)
        value |= static_cast<std::uint64_t>(last & 0x7f) << shift;
      shift += 7;
    } while ((last & 0x80) != 0);
    return value;
  }

  const std::uint8_t* at_ = nullptr;
  const std::uint8_t* end_ = nullptr;
  bool failed_ = false;
};

} // namespace leakbpf
