// SPDX-License-Identifier: Apache-2.0
#include "kernel/map_access.h"

#include <array>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

constexpr int no_map = -1; // each access fails

TEST_CASE("an access that fails is counted, once, whatever it was", "[map_access]") {
  const MapAccess access;
  std::uint32_t key = 0;
  std::uint64_t value = 0;
  CHECK_FALSE(access.lookup(no_map, &key, &value));
  CHECK(access.failures() == 1);
  CHECK_FALSE(access.update(no_map, &key, &value, 0));
  CHECK(access.failures() == 2);
  access.remove(no_map, &key);
  CHECK(access.failures() == 3);
  CHECK_FALSE(access.take(no_map, &key, &value));
  CHECK(access.failures() == 4);
  CHECK_FALSE(access.update_batch(no_map, &key, &value, 1));
  CHECK(access.failures() == 5);
}

TEST_CASE("a table that cannot be read to its end is counted", "[map_access]") {
  const MapAccess access;
  const auto visit = [](std::uint32_t, const std::uint8_t*) { FAIL("nothing can be read"); };
  CHECK(access.each_element<std::uint32_t>(no_map, sizeof(std::uint64_t), visit) == 0);
  CHECK(access.failures() == 1);
}

TEST_CASE("a call that fails once is made again", "[map_access]") {
  const MapAccess access;
  int calls = 0;
  CHECK(access.insist([&] { return ++calls == 1 ? -ENOMEM : 0; }) == 0);
  CHECK(calls == 2);
  CHECK(access.failures() == 0);
}

TEST_CASE("that a key is not there, or a table full, is an answer", "[map_access]") {
  const MapAccess access;
  for (const int answer : {ENOENT, EEXIST, E2BIG, ENOSPC}) {
    int calls = 0;
    CHECK(access.insist([&] {
      calls++;
      return -answer;
    }) == -answer);
    CHECK(calls == 1);
  }
  CHECK(access.failures() == 0);
}

} // namespace
} // namespace leakbpf
