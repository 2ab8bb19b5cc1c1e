// SPDX-License-Identifier: Apache-2.0
#include "render/escape.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

TEST_CASE("text without control characters stays as it is", "[escape]") {
  for (const std::string text : {"", "main at app.cpp:3", "std::vector<int>&", "größe → 日本",
                                 "\xff\xfe no UTF-8 \xc2", "a\\x1b", "\u00a0"}) {
    CAPTURE(text);
    CHECK(escape_controls(text) == text);
  }
}

TEST_CASE("control characters become visible", "[escape]") {
  CHECK(escape_controls("\x1b[2Jgone") == "\\x1b[2Jgone");
  CHECK(escape_controls("a\nb\tc\rd") == "a\\x0ab\\x09c\\x0dd");
  CHECK(escape_controls(std::string("\0\x1f\x7f", 3)) == "\\x00\\x1f\\x7f");
}

TEST_CASE("so do those that UTF-8 has beyond ASCII", "[escape]") {
  CHECK(escape_controls("\u009b2J") == "\\xc2\\x9b2J");
  CHECK(escape_controls("\u0080\u009f") == "\\xc2\\x80\\xc2\\x9f");
}

TEST_CASE("no byte below a blank is left", "[escape]") {
  for (int byte = 0; byte < 256; byte++)
    for (const char left : escape_controls(std::string("x") + static_cast<char>(byte) + "y"))
      CHECK((static_cast<unsigned char>(left) >= 0x20 && left != 0x7f));
}

} // namespace
} // namespace leakbpf
