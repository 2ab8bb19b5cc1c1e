// SPDX-License-Identifier: Apache-2.0
// Who holds blocks, in a heap that is made by hand after glibc's malloc.
#include "made_heap.h"
#include "reach/reach_search.h"

#include <functional>
#include <map>
#include <utility>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

namespace leakbpf {
namespace {

std::vector<Reach> search(const MadeMemory& memory, const std::vector<std::uint64_t>& blocks) {
  std::vector<ReachBlock> asked;
  for (const std::uint64_t block : blocks)
    asked.push_back({block, 40});
  const std::vector<Mapping> all = made_mappings();
  const std::vector<ThreadStack> stacks{{4243, stack_at + 0x800}};
  return ReachSearch(memory, AllThere(), all, stacks).run(asked);
}

TEST_CASE("a block without a pointer to it is lost", "[reach]") {
  MadeMemory memory;
  memory.take(0x290); // a thread's cache
  const std::uint64_t lost = memory.take(0x40);
  const std::uint64_t held = memory.take(0x40);
  const std::uint64_t in_chain = memory.take(0x40);
  const std::uint64_t on_stack = memory.take(0x40);
  memory.put(lost, lost);                // to itself
  memory.put(data_at + 0x100, held + 8); // into it
  memory.put(held + 0x18, in_chain);     // in its middle
  memory.put(stack_at + 0x900, on_stack);
  const auto reached = search(memory, {lost, held, in_chain, on_stack});
  CHECK(reached[0].known);
  CHECK_FALSE(reached[0].holder);
  REQUIRE(reached[1].holder);
  CHECK(reached[1].holder->kind == HolderKind::data);
  CHECK(reached[1].holder->address == data_at + 0x100);
  CHECK(reached[1].holder->blocks == 0);
  REQUIRE(reached[2].holder);
  CHECK(reached[2].holder->address == data_at + 0x100);
  CHECK(reached[2].holder->blocks == 1);
  REQUIRE(reached[3].holder);
  CHECK(reached[3].holder->kind == HolderKind::stack);
  CHECK(reached[3].holder->thread == 4243);
}

TEST_CASE("what nobody can use holds nothing", "[reach]") {
  MadeMemory memory;
  const std::uint64_t cache = memory.take(0x290);
  const std::uint64_t by_free = memory.take(0x40);
  const std::uint64_t free = memory.take(0x40, true);
  const std::uint64_t below_stack = memory.take(0x40);
  const std::uint64_t one = memory.take(0x40);
  const std::uint64_t other = memory.take(0x40);
  memory.put(cache + 0x80, by_free);
  memory.put(free, by_free);
  memory.put(data_at, free); // a pointer that hangs
  memory.put(stack_at + 0x100, below_stack);
  memory.put(one, other); // a cycle
  memory.put(other, one);
  for (const Reach& reach : search(memory, {by_free, below_stack, one, other})) {
    CHECK(reach.known);
    CHECK_FALSE(reach.holder);
  }
}

/// Changes while variables are about to be read.
class MovingMemory : public MadeMemory {
public:
  std::function<void()> move; ///< what the process does

  [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t size) const override {
    if (address >= data_at && address < data_at + page_bytes && !std::exchange(moved_, true))
      move();
    return MadeMemory::read(address, to, size);
  }

private:
  mutable bool moved_ = false;
};

TEST_CASE("a list that grows while it is looked at is held", "[reach]") {
  const bool reuses = GENERATE(false, true);
  MovingMemory memory;
  memory.take(0x290);
  const std::uint64_t old = memory.take(0x40);
  const std::uint64_t free = memory.take(0x40, true);
  memory.take(0x40);
  memory.move = [&] {
    const std::uint64_t link = reuses ? free : memory.take(0x40);
    if (reuses)
      memory.put(link + 0x38, 0x41); // the next header: this one is in use
    memory.put(link, old);
    memory.put(data_at, link);
  };
  const auto reached = search(memory, {old});
  REQUIRE(reached[0].holder);
  CHECK(reached[0].holder->kind == HolderKind::data);
  CHECK(reached[0].holder->blocks == 1);
}

TEST_CASE("lists that grow side by side are not taken for one", "[reach]") {
  MovingMemory memory;
  memory.take(0x290);
  const std::vector<std::uint64_t> old{memory.take(0x40), memory.take(0x40)};
  memory.move = [&] { // their newest links are cut from what was not handed out
    for (std::size_t list = 0; list < old.size(); list++) {
      const std::uint64_t link = memory.take(0x40);
      memory.put(link, old[list]);
      memory.put(data_at + list * 8, link);
    }
  };
  const auto reached = search(memory, old);
  for (std::size_t list = 0; list < old.size(); list++) {
    REQUIRE(reached[list].holder);
    CHECK(reached[list].holder->address == data_at + list * 8);
  }
}

TEST_CASE("a part of a block that was free is found in so many steps or not at all", "[reach]") {
  MadeMemory memory;
  memory.take(0x290);
  const std::uint64_t first = memory.take(0x40);
  memory.take(0x40);
  const std::uint64_t third = memory.take(0x40);
  const HeapBlock block{first, heap_at + heap_bytes, false};
  std::size_t headers = 3;
  const auto part = part_in_use(memory, block, third + 8, headers);
  REQUIRE(part);
  CHECK(part->start == third);
  CHECK(part->end == third + 0x38);
  headers = 2;
  CHECK_FALSE(part_in_use(memory, block, third + 8, headers));
  CHECK(headers == 0);
}

TEST_CASE("behind a damaged header all memory counts", "[reach]") {
  MadeMemory memory;
  const std::uint64_t before = memory.take(0x40);
  const std::uint64_t last = memory.take(0x40);
  memory.put(last + 0x38, 0x17); // the next one's size
  memory.put(last + 0x100, before);
  const auto reached = search(memory, {before});
  REQUIRE(reached[0].holder);
  CHECK(reached[0].holder->kind == HolderKind::memory);
}

} // namespace
} // namespace leakbpf
