// SPDX-License-Identifier: Apache-2.0
#include "reach/heap_index.h"

#include <map>
#include <random>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

TEST_CASE("a block is found by any address in it", "[reach]") {
  std::mt19937_64 random(4242);
  std::map<std::uint64_t, std::uint64_t> truth; // end by start
  HeapIndex index;
  for (const std::uint64_t base : {0x1000ULL, 0x7f0000000000ULL, 0x7f0010000000ULL}) {
    std::uint64_t at = base;
    for (int i = 0; i < 3000; i++) {
      const std::uint64_t bytes = 8 * (1 + random() % (i % 100 == 0 ? 5000 : 20));
      if (random() % 3 != 0) {
        truth[at] = at + bytes;
        index.add(at, at + bytes);
      }
      at += bytes;
    }
  }
  index.seal();
  REQUIRE(index.size() == truth.size());
  for (int i = 0; i < 100'000; i++) {
    const std::uint64_t address = (i % 2 == 0 ? 0x1000 : 0x7f0000000000) + random() % 2'000'000;
    const auto after = truth.upper_bound(address);
    const bool inside = after != truth.begin() && address < std::prev(after)->second;
    const auto found = index.find(address);
    REQUIRE(found.has_value() == inside);
    if (found)
      REQUIRE(index.start(*found) == std::prev(after)->first);
  }
  CHECK_FALSE(index.find(0));
  CHECK_FALSE(index.find(~std::uint64_t{0}));
}

TEST_CASE("of blocks that overlap the first is kept", "[reach]") {
  HeapIndex index;
  index.add(0x1000, 0x1100);
  index.add(0x1010, 0x1020);
  index.add(0x1100, 0x1108);
  index.seal();
  CHECK(index.size() == 2);
  CHECK(index.find(0x1018) == 0);
  CHECK(index.find(0x1100) == 1);
  CHECK_FALSE(index.find(0x1108));
}

} // namespace
} // namespace leakbpf
