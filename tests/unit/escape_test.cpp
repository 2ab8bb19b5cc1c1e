// SPDX-License-Identifier: Apache-2.0
#include "base/escape.h"
#include "harmless_text.h"
#include "render/painter.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

TEST_CASE("printable text stays as it is", "[escape]") {
  for (const std::string text :
       {"", "main at app.cpp:3", "std::vector<int>&", "größe → 日本 😀", "a\\x1b", "\u00a0",
        "e\u0301 n\u0303", "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627", "\ufffd"}) {
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
  CHECK(escape_controls("a\u202eb") == "a\\xe2\\x80\\xaeb");
  CHECK(escape_controls("\u2028\u2029") == "\\xe2\\x80\\xa8\\xe2\\x80\\xa9");
  CHECK(escape_controls("x\u200by") == "x\\xe2\\x80\\x8by");
  CHECK(escape_controls("\U000e0041") == "\\xf3\\xa0\\x81\\x81");
}

TEST_CASE("bytes that are no UTF-8 become visible one by one", "[escape]") {
  CHECK(escape_controls("\x9b"
                        "2J") == "\\x9b2J");
  CHECK(escape_controls("\xff\xfe no \xc2") == "\\xff\\xfe no \\xc2");
  CHECK(escape_controls("\xc0\xaf") == "\\xc0\\xaf");                   // longer than it has to be
  CHECK(escape_controls("\xed\xa0\x80") == "\\xed\\xa0\\x80");          // a surrogate
  CHECK(escape_controls("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80"); // beyond the last
  CHECK(escape_controls("\xe2\x82(") == "\\xe2\\x82(");                 // cut off
}

TEST_CASE("no byte, and no two or three, do harm", "[escape]") {
  for (int first = 0; first < 256; first++)
    for (int second = 0; second < 256; second++)
      for (const char* end : {"", "\x80", "\xae", "x"}) {
        std::string text{static_cast<char>(first), static_cast<char>(second)};
        text += end;
        if (const std::string harm = harm_in(escape_controls(text)); !harm.empty())
          FAIL(first << " " << second << ": " << harm);
      }
}

TEST_CASE("every dangerous character is escaped, wherever it stands", "[escape]") {
  for (std::uint32_t code = 0; code <= 0x10ffff; code++) {
    if (!is_dangerous(code) && code != '\n')
      continue;
    std::string text = "x";
    append_utf8(text, code);
    text += "y";
    if (const std::string harm = harm_in(escape_controls(text)); !harm.empty())
      FAIL(code << ": " << harm);
    CHECK(escape_controls(text).find('\n') == std::string::npos);
  }
}

TEST_CASE("of escape sequences a terminal gets those of tables alone", "[escape]") {
  CHECK(terminal_text("\x1b[1mbold\x1b[0m\nnext") == "\x1b[1mbold\x1b[0m\nnext");
  CHECK(terminal_text("\x1b[31mred") == "\\x1b[31mred");
  CHECK(terminal_text("\x1b]0;title\a") == "\\x1b]0;title\\x07");
  CHECK(terminal_text("\r\t\u202e") == "\\x0d\\x09\\xe2\\x80\\xae");
}

TEST_CASE("columns are those that a terminal shows", "[escape]") {
  CHECK(text_columns("größe") == 5);
  CHECK(text_columns("日本") == 4);
  CHECK(text_columns("e\u0301") == 1);
  CHECK(text_columns("😀") == 2);
  CHECK(fit_columns("日本語", 5) == "日本");
  CHECK(fit_columns("größe", 3) == "grö");
  CHECK(fit_columns("e\u0301x", 1) == "e\u0301");
  CHECK(pad_columns("日本", 6) == "日本  ");
  CHECK(pad_columns("abc", 2) == "abc");
}

TEST_CASE("a line is cut by columns, never inside a character", "[escape]") {
  for (std::size_t width = 1; width < 20; width++) {
    Painter painter({false, false, width});
    painter.line("日本語 größe e\u0301\u202e日");
    std::string line = painter.take();
    REQUIRE(line.back() == '\n');
    line.pop_back();
    CAPTURE(width, line);
    CHECK(text_columns(line) <= width);
    CHECK(text_columns(line) + 2 > width);
    CHECK(harm_in(line).empty());
  }
}

} // namespace
} // namespace leakbpf
