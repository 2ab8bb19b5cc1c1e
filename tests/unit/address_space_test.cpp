// SPDX-License-Identifier: Apache-2.0
#include "symbol/address_space.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

Mapping code(std::uint64_t start, std::uint64_t end, const std::string& path) {
  return {start, end, 0x100, true, 1, 2, path, false};
}

std::string path_at(const AddressSpace& space, std::uint64_t pc) {
  const Mapping* mapping = space.find(pc);
  return mapping ? mapping->path : "-";
}

TEST_CASE("an address is found from a mapping's first byte to its last", "[address_space]") {
  AddressSpace space;
  CHECK(space.find(0) == nullptr);
  space.update({code(0x1000, 0x2000, "a"), code(0x2000, 0x3000, "b"), code(0x5000, 0x6000, "c")});
  CHECK(path_at(space, 0xfff) == "-");
  CHECK(path_at(space, 0x1000) == "a");
  CHECK(path_at(space, 0x1fff) == "a");
  CHECK(path_at(space, 0x2000) == "b");
  CHECK(path_at(space, 0x3000) == "-");
  CHECK(path_at(space, 0x5fff) == "c");
  CHECK(path_at(space, ~0ULL) == "-");
}

TEST_CASE("what has no code is left out", "[address_space]") {
  AddressSpace space;
  Mapping data = code(0x1000, 0x2000, "data");
  data.executable = false;
  space.update({data});
  CHECK(path_at(space, 0x1000) == "-");
}

TEST_CASE("a library that is gone stays known", "[address_space]") {
  AddressSpace space;
  space.update({code(0x1000, 0x2000, "program"), code(0x5000, 0x6000, "plugin")});
  space.update({code(0x1000, 0x2000, "program")});
  CHECK(path_at(space, 0x5800) == "plugin");
}

TEST_CASE("a mapping takes the place of those at its addresses", "[address_space]") {
  AddressSpace space;
  space.update({code(0x1000, 0x2000, "a"), code(0x2000, 0x3000, "b"), code(0x3000, 0x4000, "c")});
  SECTION("of one") {
    space.update({code(0x2000, 0x3000, "new")});
    CHECK(path_at(space, 0x1fff) == "a");
    CHECK(path_at(space, 0x2800) == "new");
    CHECK(path_at(space, 0x3000) == "c");
  }
  SECTION("of all") {
    space.update({code(0, 0x9000, "new")});
    for (std::uint64_t pc = 0; pc < 0x9000; pc += 0x800)
      CHECK(path_at(space, pc) == "new");
  }
}

TEST_CASE("an old mapping stays known where nothing new lies", "[address_space]") {
  AddressSpace space;
  space.update({code(0x1000, 0x5000, "old")});
  space.update({code(0x2000, 0x3000, "new")});
  CHECK(path_at(space, 0x1fff) == "old");
  CHECK(path_at(space, 0x2000) == "new");
  CHECK(path_at(space, 0x2fff) == "new");
  CHECK(path_at(space, 0x3000) == "old");
  CHECK(path_at(space, 0x5000) == "-");
  SECTION("with its place in the file") {
    CHECK(space.find(0x1800)->offset == 0x100);
    const Mapping* after = space.find(0x3800);
    CHECK(after->start == 0x3000);
    CHECK(after->offset == 0x2100);
  }
}

TEST_CASE("overlap at either end", "[address_space]") {
  AddressSpace space;
  space.update({code(0x2000, 0x4000, "old")});
  SECTION("the first part") {
    space.update({code(0x1000, 0x3000, "new")});
    CHECK(path_at(space, 0x2fff) == "new");
    CHECK(path_at(space, 0x3000) == "old");
  }
  SECTION("the last part") {
    space.update({code(0x3000, 0x5000, "new")});
    CHECK(path_at(space, 0x2fff) == "old");
    CHECK(path_at(space, 0x3000) == "new");
  }
}

} // namespace
} // namespace leakbpf
