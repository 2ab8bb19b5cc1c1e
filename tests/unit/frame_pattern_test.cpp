// SPDX-License-Identifier: Apache-2.0
#include "core/frame_pattern.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

bool matches(const std::string& pattern, const std::string& text) {
  const auto parsed = FramePattern::parse(pattern);
  REQUIRE(parsed);
  return parsed->matches(text);
}

TEST_CASE("a pattern is looked for anywhere, and case counts", "[frame_pattern]") {
  CHECK(matches("Cart", "Cart"));
  CHECK(matches("Cart", "shop::Cart::add(int)"));
  CHECK(matches("add(int)", "shop::Cart::add(int)"));
  CHECK_FALSE(matches("cart", "shop::Cart::add(int)"));
  CHECK_FALSE(matches("Cart::sub", "shop::Cart::add(int)"));
  CHECK_FALSE(matches("longer than the text", "text"));
}

TEST_CASE("a star is any text, also none", "[frame_pattern]") {
  CHECK(matches("a*c", "xabbbcx"));
  CHECK(matches("a*c", "ac"));
  CHECK_FALSE(matches("a*c", "ca"));
  CHECK(matches("a*b*c", "a.b.b.c"));
  CHECK_FALSE(matches("aa*aa", "aaa")); // one character is not matched twice
  CHECK(matches("aa*aa", "aaaa"));
  CHECK(matches("a**c", "abc"));
  CHECK(matches("*", "anything"));
  CHECK(matches("operator*(", "operator*(int)"));
}

TEST_CASE("anchors hold a pattern to the ends", "[frame_pattern]") {
  CHECK(matches("^main", "mainly"));
  CHECK_FALSE(matches("^main", "domain"));
  CHECK(matches("main$", "domain"));
  CHECK_FALSE(matches("main$", "mainly"));
  CHECK(matches("^main$", "main"));
  CHECK_FALSE(matches("^main$", "mainmain"));
  CHECK_FALSE(matches("^main$", "main2"));
  CHECK(matches("main$", "mainmain")); // not held to the first place it is found in
  CHECK(matches("^a*z$", "abcz"));
  CHECK(matches("^a*z$", "azbz"));
  CHECK_FALSE(matches("^a*z$", "a"));
  CHECK_FALSE(matches("^ab*bz$", "abz"));
  CHECK(matches("^a*m*z$", "a1m2z"));
  CHECK_FALSE(matches("^a*m*z$", "a1n2z"));
}

TEST_CASE("a star beside an anchor takes its meaning away", "[frame_pattern]") {
  CHECK(matches("^*main", "domain"));
  CHECK(matches("main*$", "mainly"));
  CHECK(matches("^*$", "x"));
  CHECK(matches("^a*$", "ab"));
  CHECK_FALSE(matches("^a*$", "ba"));
}

TEST_CASE("inside a pattern an anchor is a character", "[frame_pattern]") {
  CHECK(matches("operator^=", "Bits::operator^=(Bits)"));
  CHECK(matches("Outer$Inner", "com.shop.Outer$Inner.run"));
  CHECK_FALSE(matches("Outer$Inner", "Outer"));
}

TEST_CASE("a name that is not known is matched by nothing", "[frame_pattern]") {
  for (const std::string pattern : {"*", "a", "^*$", "^*", "*$"}) {
    CAPTURE(pattern);
    CHECK_FALSE(matches(pattern, ""));
  }
}

TEST_CASE("a pattern has something to look for", "[frame_pattern]") {
  for (const std::string text : {"", "^", "$", "^$"}) {
    CAPTURE(text);
    CHECK_FALSE(FramePattern::parse(text));
  }
}

} // namespace
} // namespace leakbpf
