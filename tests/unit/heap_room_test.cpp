// SPDX-License-Identifier: Apache-2.0
// Room in heaps that are made by hand, and in that of the malloc that runs this test.
#include "glibc_malloc.h"
#include "made_heap.h"
#include "reach/heap_room.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <latch>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <malloc.h>
#include <unistd.h>

namespace leakbpf {
namespace {

MadePages swapped_page(std::uint64_t page) {
  return {PageState::swapped, page, page + page_bytes};
}

TEST_CASE("room is what lies between blocks, and behind the last", "[room]") {
  MadeMemory memory;
  memory.take(0x290); // a thread's cache is malloc's own
  memory.take(0x40);
  memory.take(0x100, true);
  memory.take(0x60);
  const auto room = measure_heap_room(memory, AllThere(), made_mappings());
  REQUIRE(room);
  CHECK(room->used_bytes >= 0x40 + 0x60 - 32);
  CHECK(room->used_bytes <= 0x40 + 0x60);
  CHECK(room->free_bytes >= heap_bytes - 0x290 - 0x40 - 0x60 - 64);
  CHECK(room->free_bytes <= heap_bytes - 0x290 - 0x40 - 0x60);
  // Of what was never touched nothing is in memory.
  const auto touched = measure_heap_room(
      memory, MadePages(PageState::absent, heap_at + page_bytes, heap_at + heap_bytes),
      made_mappings());
  REQUIRE(touched);
  CHECK(touched->used_bytes == room->used_bytes);
  CHECK(touched->free_bytes == room->free_bytes - (heap_bytes - page_bytes));
}

TEST_CASE("of a heap whose headers do not lead to its end nothing is said", "[room]") {
  MadeMemory memory;
  memory.take(0x290);
  const std::uint64_t block = memory.take(0x40);
  memory.take(0x60);
  REQUIRE(measure_heap_room(memory, AllThere(), made_mappings()));
  SECTION("a size that is none") {
    memory.put(block - 8, 0x49);
  }
  SECTION("nothing behind a block") {
    memory.put(block - 8 + 0x40, 0);
  }
  CHECK_FALSE(measure_heap_room(memory, AllThere(), made_mappings()));
}

TEST_CASE("of a heap of which a page was swapped out nothing is said", "[room]") {
  MadeMemory memory;
  memory.take(0x290);
  memory.take(heap_bytes / 2);
  memory.take(0x60);
  CHECK(
      measure_heap_room(memory, swapped_page(heap_at + page_bytes), made_mappings())); // a block's
  CHECK_FALSE(measure_heap_room(memory, swapped_page(heap_at), made_mappings()));
  CHECK_FALSE(measure_heap_room(memory, swapped_page(heap_at + heap_bytes / 2),
                                made_mappings())); // a header's
}

TEST_CASE("a heap that the kernel keeps in several mappings is one", "[room]") {
  MadeMemory memory;
  memory.take(0x290);
  memory.take(heap_bytes / 2);
  memory.take(0x60);
  std::vector<Mapping> mappings = made_mappings();
  const auto whole = measure_heap_room(memory, AllThere(), mappings);
  mappings.insert(mappings.begin(), mappings.front());
  mappings[0].end = mappings[1].start = heap_at + page_bytes;
  const auto parts = measure_heap_room(memory, AllThere(), mappings);
  REQUIRE(whole);
  REQUIRE(parts);
  CHECK(parts->used_bytes == whole->used_bytes);
  CHECK(parts->free_bytes == whole->free_bytes);
}

TEST_CASE("where glibc has no heap there is none to measure", "[room]") {
  const MadeMemory memory;
  CHECK_FALSE(measure_heap_room(memory, AllThere(), made_mappings()));
  CHECK_FALSE(measure_heap_room(memory, AllThere(), {}));
}

/// Blocks of several arenas, every other of which is given back.
void make_holes(std::latch& made, std::latch& measured) {
  constexpr std::size_t block_bytes = 2000; // no thread keeps such for itself
  std::array<void*, 3000> blocks{};
  for (void*& block : blocks)
    block = std::malloc(block_bytes); // NOLINT: malloc is what is measured
  for (std::size_t i = 0; i < blocks.size(); i += 2)
    std::free(blocks[i]); // NOLINT
  made.count_down();
  measured.wait();
  for (std::size_t i = 1; i < blocks.size(); i += 2)
    std::free(blocks[i]); // NOLINT
}

TEST_CASE("what malloc says of its own arenas is what is measured", "[room]") {
  skip_without_glibc_malloc();
  std::latch made(4);
  std::latch measured(1);
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; i++)
    threads.emplace_back([&] { make_holes(made, measured); });
  std::thread last([&] { make_holes(made, measured); });
  made.wait();
  const ProcFs proc;
  const auto mappings = proc.mappings(getpid());
  REQUIRE(mappings);
  const LivePages pages(proc.path(getpid(), "pagemap"));
  const auto room = measure_heap_room(LiveMemory(getpid()), pages, *mappings);
  const struct mallinfo2 told = mallinfo2();
  measured.count_down();
  for (std::thread& thread : threads)
    thread.join();
  last.join();
  REQUIRE(room);
  // The mappings and the blocks that this took were taken in between.
  constexpr double slack = 512 * 1024;
  INFO("used " << room->used_bytes << " of " << told.uordblks << ", free " << room->free_bytes
               << " of " << told.fordblks);
  CHECK(std::abs(static_cast<double>(room->used_bytes) - static_cast<double>(told.uordblks)) <
        slack);
  CHECK(static_cast<double>(room->free_bytes) < static_cast<double>(told.fordblks) + slack);
  CHECK(room->free_bytes > 4ULL * 1500 * 1900); // all of the holes
}

} // namespace
} // namespace leakbpf
