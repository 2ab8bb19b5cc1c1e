// SPDX-License-Identifier: Apache-2.0
#include "fake_memory.h"
#include "python/pools.h"
#include "python/retained.h"

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

constexpr std::uint32_t pool_size = 4096;
constexpr std::uint64_t header = 48;
constexpr std::uint64_t first_pool = 0x100000;
constexpr std::uint64_t second_pool = 0x200000;
constexpr std::uint64_t list = 0x900000; ///< a heap block

/// Two pools: one of 64-byte blocks, begun by site 2, and one of 32-byte blocks, begun by site 3.
struct Heap {
  Heap() {
    memory.fill(first_pool, pool_size);
    memory.fill(second_pool, pool_size);
    memory.put<std::uint32_t>(first_pool + 36, 3);
    memory.put<std::uint32_t>(second_pool + 36, 1);
    memory.fill(list, 1024);
  }
  static std::uint64_t large(std::uint64_t block) { return first_pool + header + block * 64; }
  static std::uint64_t small(std::uint64_t block) { return second_pool + header + block * 32; }
  [[nodiscard]] RetainedBySite find(const std::vector<HoldingBlock>& holders,
                                    const RetainedLimits& limits = {}) const {
    return find_retained(memory, holders, pools, pool_size, 4, limits);
  }

  FakeMemory memory;
  std::vector<HeldPool> pools{{first_pool, 2}, {second_pool, 3}};
};

TEST_CASE("a list holds what its pointers reach", "[python]") {
  Heap heap;
  heap.memory.put(list + 8, Heap::large(5) + 16); // into the object, behind its collector's header
  heap.memory.put(list + 16, Heap::large(6));
  heap.memory.put(Heap::large(6) + 40, Heap::small(9));      // whose attribute is in the other pool
  heap.memory.put(Heap::small(9) + 8, Heap::small(10) + 1);  // marked in its lowest bit
  heap.memory.put(Heap::small(10) + 8, Heap::small(11) - 1); // marked by one less
  heap.memory.put(Heap::small(11), Heap::large(6));          // and back
  const auto found = heap.find({{list, 1024, 0}});
  CHECK(found.holds[0].objects == 5);
  CHECK(found.holds[0].bytes == 2 * 64 + 3 * 32);
  CHECK(found.loses[2].bytes == 2 * 64);
  CHECK(found.loses[3].bytes == 3 * 32);
  CHECK(found.loses[0].bytes == 0);
}

TEST_CASE("of two holders the first has what both hold", "[python]") {
  Heap heap;
  heap.memory.fill(list + 4096, 1024);
  heap.memory.put(list, Heap::large(1));
  heap.memory.put(list + 4096, Heap::large(1));
  heap.memory.put(list + 4096 + 8, Heap::large(2));
  const auto found = heap.find({{list, 1024, 0}, {list + 4096, 1024, 1}});
  CHECK(found.holds[0].objects == 1);
  CHECK(found.holds[1].objects == 1);
}

TEST_CASE("blocks of data hold nothing", "[python]") {
  Heap heap;
  heap.memory.fill(list, 64 << 10);
  heap.memory.put(list, Heap::large(1)); // one word in 8,192 looks like a pointer
  CHECK(heap.find({{list, 64 << 10, 0}}).holds[0].objects == 0);
}

TEST_CASE("a table is looked at where it grew", "[python]") {
  // The first nine tenths are of before the attach: their objects are in pools nobody knows.
  Heap heap;
  constexpr std::uint64_t bytes = 32 << 10;
  for (std::uint64_t at = 0; at < bytes; at += 8)
    heap.memory.put(list + at,
                    at < bytes / 10 * 9 ? 0x7f0000001000 + at : Heap::large(at / 8 % 60));
  CHECK(heap.find({{list, bytes, 0}}).holds[0].objects == 60);
}

TEST_CASE("a pool's header and what lies behind its last block are no objects", "[python]") {
  Heap heap;
  heap.memory.put(list, first_pool);
  heap.memory.put(list + 8, first_pool + 40);
  heap.memory.put(list + 16, first_pool + pool_size - 8);
  CHECK(heap.find({{list, 1024, 0}}).holds[0].objects == 0);
}

TEST_CASE("pools that make no sense or are gone are passed over", "[python]") {
  Heap heap;
  heap.memory.put(list, Heap::large(1));
  heap.memory.put(list + 8, Heap::small(1));
  heap.memory.put<std::uint32_t>(first_pool + 36, 0xffff); // never used
  heap.memory.drop(second_pool, 64);
  CHECK(heap.find({{list, 1024, 0}}).holds[0].objects == 0);
}

TEST_CASE("the search is bounded", "[python]") {
  Heap heap;
  for (std::uint64_t i = 0; i < 50; i++) // a chain
    heap.memory.put(Heap::large(i), Heap::large(i + 1));
  for (std::uint64_t at = 0; at < 256; at += 8)
    heap.memory.put(list + at, Heap::large(0));
  CHECK(heap.find({{list, 1024, 0}}, {64 << 20, 6}).holds[0].objects == 6);
  CHECK(heap.find({{list, 1024, 0}}, {0, 6}).holds[0].objects == 0);
}

TEST_CASE("how much of a pool is in use", "[python]") {
  FakeMemory memory;
  memory.put<std::uint64_t>(0x1000, 5);
  memory.put<std::uint64_t>(0x3000, 0);
  const std::vector<std::uint64_t> pools{0x1000, 0x2000, 0x3000};
  const auto use = pool_use(memory, pools);
  CHECK(use == std::vector<PoolUse>{PoolUse::in_use, PoolUse::gone, PoolUse::empty});
  CHECK(pool_use(memory, {})->empty());
  CHECK_FALSE(pool_use(memory, std::vector<std::uint64_t>{0x5000, 0x6000})); // the process is gone
}

} // namespace
} // namespace leakbpf
