// SPDX-License-Identifier: Apache-2.0
#include "core/frame_pattern.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

bool frame_matches(const std::string& pattern, const std::string& text) {
  const auto parsed = FramePattern::parse(pattern);
  REQUIRE(parsed);
  return parsed->matches(text);
}

TEST_CASE("a pattern is looked for anywhere, and case counts", "[frame_pattern]") {
  CHECK(frame_matches("Cart", "Cart"));
  CHECK(frame_matches("Cart", "shop::Cart::add(int)"));
  CHECK(frame_matches("add(int)", "shop::Cart::add(int)"));
  CHECK_FALSE(frame_matches("cart", "shop::Cart::add(int)"));
  CHECK_FALSE(frame_matches("Cart::sub", "shop::Cart::add(int)"));
  CHECK_FALSE(frame_matches("longer than the text", "text"));
}

TEST_CASE("a star is any text, also none", "[frame_pattern]") {
  CHECK(frame_matches("a*c", "xabbbcx"));
  CHECK(frame_matches("a*c", "ac"));
  CHECK_FALSE(frame_matches("a*c", "ca"));
  CHECK(frame_matches("a*b*c", "a.b.b.c"));
  CHECK_FALSE(frame_matches("aa*aa", "aaa")); // one character is not matched twice
  CHECK(frame_matches("aa*aa", "aaaa"));
  CHECK(frame_matches("a**c", "abc"));
  CHECK(frame_matches("*", "anything"));
  CHECK(frame_matches("operator*(", "operator*(int)"));
}

TEST_CASE("anchors hold a pattern to the ends", "[frame_pattern]") {
  CHECK(frame_matches("^main", "mainly"));
  CHECK_FALSE(frame_matches("^main", "domain"));
  CHECK(frame_matches("main$", "domain"));
  CHECK_FALSE(frame_matches("main$", "mainly"));
  CHECK(frame_matches("^main$", "main"));
  CHECK_FALSE(frame_matches("^main$", "mainmain"));
  CHECK_FALSE(frame_matches("^main$", "main2"));
  CHECK(frame_matches("main$", "mainmain")); // not held to the first place it is found in
  CHECK(frame_matches("^a*z$", "abcz"));
  CHECK(frame_matches("^a*z$", "azbz"));
  CHECK_FALSE(frame_matches("^a*z$", "a"));
  CHECK_FALSE(frame_matches("^ab*bz$", "abz"));
  CHECK(frame_matches("^a*m*z$", "a1m2z"));
  CHECK_FALSE(frame_matches("^a*m*z$", "a1n2z"));
}

TEST_CASE("a star beside an anchor takes its meaning away", "[frame_pattern]") {
  CHECK(frame_matches("^*main", "domain"));
  CHECK(frame_matches("main*$", "mainly"));
  CHECK(frame_matches("^*$", "x"));
  CHECK(frame_matches("^a*$", "ab"));
  CHECK_FALSE(frame_matches("^a*$", "ba"));
}

TEST_CASE("inside a pattern an anchor is a character", "[frame_pattern]") {
  CHECK(frame_matches("operator^=", "Bits::operator^=(Bits)"));
  CHECK(frame_matches("Outer$Inner", "com.shop.Outer$Inner.run"));
  CHECK_FALSE(frame_matches("Outer$Inner", "Outer"));
}

TEST_CASE("a name that is not known is matched by nothing", "[frame_pattern]") {
  for (const std::string pattern : {"*", "a", "^*$", "^*", "*$"}) {
    CAPTURE(pattern);
    CHECK_FALSE(frame_matches(pattern, ""));
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
