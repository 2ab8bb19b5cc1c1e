// SPDX-License-Identifier: Apache-2.0
#include "python/line_table.h"

#include <vector>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using LineTable = std::vector<std::uint8_t>;
constexpr auto minus = [](int lines) { return static_cast<std::uint8_t>(-lines); };

std::optional<std::uint32_t> line(LineTableKind kind, const LineTable& table, std::uint32_t at) {
  return line_of(kind, table, 10, at);
}

TEST_CASE("lines up to Python 3.9", "[python]") {
  // co_lnotab of:  10 def f(a):  11 x = a  12 for i in a:  13 x += i  back to 12, then 15
  const LineTable table{0, 1, 4, 1, 8, 1, 8, minus(1), 2, 3};
  const auto at = [&](std::uint32_t instruction) {
    return line(LineTableKind::lnotab, table, instruction);
  };
  CHECK(at(0) == 11);
  CHECK(at(2) == 11);
  CHECK(at(4) == 12);
  CHECK(at(10) == 12);
  CHECK(at(12) == 13);
  CHECK(at(20) == 12);
  CHECK(at(22) == 15);
  CHECK(at(1000) == 15);
  CHECK(line(LineTableKind::lnotab, {}, 0) == 10);
  // More than 255 bytes, or 127 lines, take several pairs.
  CHECK(line(LineTableKind::lnotab, {255, 0, 10, 127, 0, 73}, 264) == 10);
  CHECK(line(LineTableKind::lnotab, {255, 0, 10, 127, 0, 73}, 265) == 210);
}

TEST_CASE("lines of Python 3.10", "[python]") {
  const LineTable table{4, 1, 2, 128, 6, 1, 2, minus(2)};
  const auto at = [&](std::uint32_t instruction) {
    return line(LineTableKind::linetable, table, instruction);
  };
  CHECK(at(0) == 11);
  CHECK(at(3) == 11);
  CHECK_FALSE(at(4)); // code that belongs to no line
  CHECK(at(6) == 12);
  CHECK(at(12) == 10);
  CHECK_FALSE(at(14));
  CHECK(line(LineTableKind::linetable, {0, 127, 0, 73, 2, 0}, 0) == 210);
}

TEST_CASE("lines from Python 3.11 on", "[python]") {
  const LineTable table{
      0x80 | 13 << 3 | 0, 0x02,             // 1 unit: one line on, no columns
      0x80 | 0 << 3 | 1,  0x12,             // 2 units: the same line, short columns
      0x80 | 11 << 3 | 2, 4,    9,          // 3 units: one line on
      0x80 | 14 << 3 | 0, 0x43, 1, 0, 1, 1, // 1 unit, long: -(0x43 is more: 3 + 64 * 1) -> -33
      0x80 | 15 << 3 | 0,                   // 1 unit of no line
      0x80 | 12 << 3 | 0, 0,    0,          // 1 unit: two lines on
  };
  const auto at = [&](std::uint32_t instruction) {
    return line_of(LineTableKind::locations, table, 100, instruction);
  };
  CHECK(at(0) == 101);
  CHECK(at(2) == 101);
  CHECK(at(5) == 101);
  CHECK(at(6) == 102);
  CHECK(at(11) == 102);
  CHECK(at(12) == 69);
  CHECK_FALSE(at(14));
  CHECK(at(16) == 71);
  CHECK_FALSE(at(18));
}

TEST_CASE("damaged line tables give no line, or some line, and end", "[python]") {
  for (const auto kind :
       {LineTableKind::lnotab, LineTableKind::linetable, LineTableKind::locations}) {
    for (unsigned byte = 0; byte < 256; byte++) {
      const LineTable same(33, static_cast<std::uint8_t>(byte));
      const auto found = line(kind, same, 1 << 30);
      CHECK((!found || *found <= INT32_MAX));
    }
    CHECK_NOTHROW(line(kind, {0x80 | 14 << 3}, 1));
    CHECK_NOTHROW(line(kind, {0x80}, 0));
  }
  CHECK_FALSE(line(LineTableKind::locations, {0x01, 0x02}, 0)); // no beginning of an entry
  const LineTable far_below{0x80 | 13 << 3, 0x7f, 0x7f, 0x3f};
  CHECK_FALSE(line(LineTableKind::locations, far_below, 0));
}

} // namespace
} // namespace leakbpf
