// SPDX-License-Identifier: Apache-2.0
#include "core/pattern.h"

#include <utility>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

bool matches(const std::string& pattern, const std::string& text) {
  const auto compiled = Pattern::compile(pattern);
  REQUIRE(compiled);
  return compiled->is_in(text);
}

TEST_CASE("a pattern is found anywhere in a long text", "[pattern]") {
  for (const std::size_t before : {0, 1, 2047, 2048, 4090, 4096, 100'000}) {
    const std::string text = std::string(before, 'a') + " needle " + std::string(9000, 'b');
    CAPTURE(before);
    CHECK(matches("needle", text));
    CHECK(matches("\\bneedle\\b", text));
    CHECK(matches("^a* needle b*$", text));
    CHECK(matches("b$", text));
    CHECK_FALSE(matches("needle$", text));
    CHECK_FALSE(matches("^needle|^b|a$", text));
  }
  CHECK(matches("^$", ""));
  CHECK_FALSE(matches("a", ""));
}

TEST_CASE("a pattern spans lines and megabytes", "[pattern]") {
  const std::string far(2 << 20, 'x');
  CHECK(matches("begin.*end", "begin" + far + "\n" + far + "end"));
  CHECK_FALSE(matches("^end|begin$", "begin\nend"));
}

TEST_CASE("patterns that a backtracking engine never ends on", "[pattern]") {
  const std::string text(1'800'000, 'a');
  for (const std::string pattern :
       {"(a+)+$", "(a|a)*b", "(a|b)*nginx", ".*nginx", "(.*)*nginx", "^/usr/bin/(\\w|-)+$",
        "(a*)*(a*)*(a*)*b", "a.{20}b", "(?:a?){30}a{30}b"}) {
    CAPTURE(pattern);
    CHECK_FALSE(matches(pattern, text + (pattern == "(a+)+$" ? "!" : "")));
  }
}

TEST_CASE("letters beyond ASCII are characters", "[pattern]") {
  CHECK(matches("^caf\u00e9?$", "caf"));
  CHECK(matches("^caf\u00e9?$", "caf\u00e9"));
  CHECK(matches("^caf.$", "caf\u00e9"));
  CHECK(matches("(?i)\u00c9t\u00e9", "\u00e9T\u00c9"));
}

TEST_CASE("bytes that are no UTF-8 keep no pattern from matching", "[pattern]") {
  for (const std::string bad :
       {"\xff", "\xc3", "\xe2\x82", "\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    CHECK(matches("worker.*nginx", "worker" + bad + "nginx"));
    CHECK(matches("^[^x]*nginx$", bad + "nginx"));
    CHECK(matches("nginx$", bad + bad + "nginx"));
    CHECK(matches("nginx", "nginx" + bad));
    CHECK_FALSE(matches("nginx", "ngin" + bad + "x"));
    CHECK(matches("caf\u00e9.*nginx", "caf\u00e9 " + bad + " nginx"));
  }
}

TEST_CASE("a null byte is a character like others", "[pattern]") {
  CHECK(matches("a.b", std::string("a\0b", 3)));
  CHECK_FALSE(matches("^a$", std::string("a\0", 2)));
}

TEST_CASE("what is no pattern is a usage error in one short sentence", "[pattern]") {
  const std::pair<std::string, std::string> bad[]{
      {"(", "( is not a regular expression: missing )"},
      {"a)", "a) is not a regular expression: unexpected )"},
      {"[", "[ is not a regular expression: missing ]"},
      {"*", "* is not a regular expression: no argument for repetition operator"},
      {"\\", "\\ is not a regular expression: trailing \\"},
      {"(a)\\1", "(a)\\1 is not a regular expression: invalid escape sequence"},
      {"(?=a)", "(?=a) is not a regular expression: look-ahead, look-behind and other (?...) of "
                "Perl are not supported (RE2 syntax)"},
      {"\xff", "\xff is not a regular expression: it is not UTF-8"},
      {"((x{500}){500}){4}", "((x{500}){500}){4} is not a regular expression: "}};
  for (const auto& [text, message] : bad) {
    const auto compiled = Pattern::compile(text);
    REQUIRE_FALSE(compiled);
    CHECK(compiled.error().code == ExitCode::usage);
    CHECK_THAT(compiled.error().message, ContainsSubstring(message));
  }
}

TEST_CASE("a pattern that would take too much memory is refused", "[pattern]") {
  for (const std::string text : {"(\\pL{1000})", "(?:[a-z]{100}\\pL{100}){10}"}) {
    const auto compiled = Pattern::compile(text);
    REQUIRE_FALSE(compiled);
    CHECK(compiled.error().code == ExitCode::usage);
    CHECK_THAT(compiled.error().message, ContainsSubstring("is not a regular expression: "));
  }
  const auto huge = Pattern::compile(std::string(4 << 20, 'x'));
  REQUIRE_FALSE(huge);
  CHECK(huge.error().message.size() < 120);
}

TEST_CASE("a pattern can be moved", "[pattern]") {
  auto compiled = Pattern::compile("a+");
  REQUIRE(compiled);
  Pattern moved = std::move(*compiled);
  CHECK(moved.is_in("baa"));
}

} // namespace
} // namespace leakbpf
