// SPDX-License-Identifier: Apache-2.0
#include "core/regex_search.h"

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

TEST_CASE("a pattern is found anywhere in a long text", "[regex]") {
  for (const std::size_t before : {0, 1, 2047, 2048, 4090, 4096, 100000}) {
    const std::string text = std::string(before, 'a') + " needle " + std::string(9000, 'b');
    CAPTURE(before);
    CHECK(has_match(text, std::regex("needle")));
    CHECK(has_match(text, std::regex("\\bneedle\\b")));
    CHECK(has_match(text, std::regex("b$")));
    CHECK_FALSE(has_match(text, std::regex("needle$")));
    CHECK_FALSE(has_match(text, std::regex("^needle|^b|a$")));
  }
  CHECK(has_match("", std::regex("^$")));
  CHECK_FALSE(has_match("", std::regex("a")));
}

TEST_CASE("a long text does not exhaust the stack", "[regex]") {
  CHECK_FALSE(has_match(std::string(100000, 'a'), std::regex("^(a|b)*c")));
}

} // namespace
} // namespace leakbpf
