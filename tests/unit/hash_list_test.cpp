// SPDX-License-Identifier: Apache-2.0
#include "core/hash_list.h"

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

TEST_CASE("a list of hashes knows what was put into it, before and after it is asked", "[hash]") {
  HashList list;
  CHECK_FALSE(list.contains(0));
  for (std::uint64_t hash = 1; hash < 1000; hash++)
    list.add(hash * 0x9E3779B97F4A7C15);
  CHECK(list.contains(7 * 0x9E3779B97F4A7C15));
  CHECK_FALSE(list.contains(7));
  list.add(7);
  CHECK(list.contains(7));
  CHECK(list.contains(999 * 0x9E3779B97F4A7C15));
}

} // namespace
} // namespace leakbpf
