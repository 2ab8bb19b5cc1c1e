// SPDX-License-Identifier: Apache-2.0
// Blocks that were given back, told by headers that are made here, and by those of the malloc that
// runs this test.
#include "fake_memory.h"
#include "glibc_malloc.h"
#include "target/glibc_chunk.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <malloc.h>
#include <unistd.h>

namespace leakbpf {
namespace {

constexpr std::uint64_t heap = 0x555555560000;
constexpr std::uint64_t previous_in_use = 1;
constexpr std::uint64_t is_mapped = 2;
constexpr std::uint64_t other_arena = 4;

/// The header before a block, and that of the chunk after it.
void put_chunk(FakeMemory& memory, std::uint64_t address, std::uint64_t chunk_bytes,
               std::uint64_t flags = previous_in_use, bool in_use = true) {
  memory.put<std::uint64_t>(address - 8, chunk_bytes | flags);
  memory.put<std::uint64_t>(address - 8 + chunk_bytes, 0x40U | (in_use ? previous_in_use : 0));
}

/// Of a block in memory that holds nothing else than something far away.
bool is_told(FakeMemory& memory, std::uint64_t bytes) {
  put_chunk(memory, heap + (1 << 30), 32);
  const std::vector<GlibcBlock> blocks{{heap, bytes}, {heap + (1 << 30), 24}};
  const auto gone = given_back(memory, blocks);
  REQUIRE(gone);
  REQUIRE(gone->size() == 2);
  CHECK_FALSE((*gone)[1]);
  return (*gone)[0];
}

bool is_told_of(std::uint64_t chunk_bytes, std::uint64_t asked,
                std::uint64_t flags = previous_in_use, bool in_use = true) {
  FakeMemory memory;
  put_chunk(memory, heap, chunk_bytes, flags, in_use);
  return is_told(memory, asked);
}

TEST_CASE("a block in a chunk of its size is there", "[chunk]") {
  for (const std::uint64_t asked : {0, 1, 8, 24})
    CHECK_FALSE(is_told_of(32, asked));
  CHECK_FALSE(is_told_of(48, 25));
  CHECK_FALSE(is_told_of(48, 40));
  CHECK_FALSE(is_told_of(64, 41));
  CHECK_FALSE(is_told_of(1008, 1000));
  CHECK_FALSE(is_told_of(100016, 100000));
}

TEST_CASE("a rest that is no chunk of its own stays with the block", "[chunk]") {
  CHECK_FALSE(is_told_of(48, 24));
  CHECK_FALSE(is_told_of(1024, 1000));
}

TEST_CASE("flags are no part of a chunk's size", "[chunk]") {
  CHECK_FALSE(is_told_of(1008, 1000, 0));
  CHECK_FALSE(is_told_of(1008, 1000, other_arena));
  CHECK_FALSE(is_told_of(1008, 1000, other_arena | previous_in_use));
}

TEST_CASE("a chunk of another size holds another block", "[chunk]") {
  CHECK(is_told_of(32, 25));
  CHECK(is_told_of(992, 1000));
  CHECK(is_told_of(2048, 1000));
  CHECK(is_told_of(1 << 20, 24));
  CHECK(is_told_of(16, 0));
  FakeMemory text; // what was there has been written over
  text.put(heap - 8, "a block ", 8);
  CHECK(is_told(text, 1000));
  FakeMemory nothing;
  nothing.fill(heap - 16, 4096);
  CHECK(is_told(nothing, 1000));
}

TEST_CASE("a chunk that the next one calls free was given back", "[chunk]") {
  CHECK(is_told_of(1008, 1000, previous_in_use, false));
  CHECK(is_told_of(1024, 1000, other_arena, false));
}

TEST_CASE("a chunk of mapped memory of its own has no next one", "[chunk]") {
  FakeMemory memory;
  memory.put<std::uint64_t>(heap - 8, 204800 | is_mapped);
  CHECK_FALSE(is_told(memory, 200000));
  CHECK_FALSE(is_told(memory, 140000)); // it may have been larger before
  CHECK(is_told(memory, 204800));       // there is no room for the header
  CHECK(is_told(memory, 300000));
}

TEST_CASE("a block whose memory is gone was given back", "[chunk]") {
  FakeMemory memory;
  CHECK(is_told(memory, 1000));
  put_chunk(memory, heap, 1008);
  CHECK_FALSE(is_told(memory, 1000));
  memory.drop(heap - 8 + 1008, 8); // what would be the next chunk
  CHECK(is_told(memory, 1000));
}

TEST_CASE("when nothing can be read nothing is told", "[chunk]") {
  const FakeMemory memory;
  CHECK_FALSE(given_back(memory, std::vector<GlibcBlock>{{heap, 1000}}));
  CHECK_FALSE(given_back(memory, std::vector<GlibcBlock>(5000, GlibcBlock{heap, 1000})));
  const LiveMemory no_process(0x7fffffff);
  CHECK_FALSE(given_back(no_process, std::vector<GlibcBlock>{{heap, 1000}}));
  const auto none = given_back(memory, {});
  REQUIRE(none);
  CHECK(none->empty());
}

TEST_CASE("each of many blocks is told by itself", "[chunk]") {
  enum class Is { in_use, free, too_small, mapped, next_gone, header_gone };
  constexpr std::uint64_t stride = 4096;
  FakeMemory memory;
  std::vector<GlibcBlock> blocks;
  std::vector<bool> expected;
  const auto add = [&](Is state) {
    const std::uint64_t address = heap + blocks.size() * stride;
    put_chunk(memory, address, state == Is::too_small ? 512 : 1008,
              state == Is::mapped ? is_mapped : 1, state != Is::free);
    if (state == Is::next_gone || state == Is::mapped)
      memory.drop(address + 1000, 8);
    if (state == Is::header_gone)
      memory.drop(address - 8, 8);
    blocks.push_back({address, 1000});
    expected.push_back(state != Is::in_use && state != Is::mapped);
  };
  SECTION("all there") {
    for (int i = 0; i < 3000; i++)
      add(Is::in_use);
  }
  SECTION("one kind after the other") {
    for (int i = 0; i < 3000; i++)
      add(static_cast<Is>(i % 6));
  }
  SECTION("memory that is gone about every 1,024th block") {
    for (int i = 0; i < 3000; i++) {
      const int place = i % 1024;
      const bool gone = place <= 1 || place >= 1022 || i == 2999;
      add(!gone ? Is::in_use : i % 2 == 0 ? Is::header_gone : Is::next_gone);
    }
  }
  SECTION("a long stretch that is gone, and little after it") {
    for (int i = 0; i < 3000; i++)
      add(i >= 100 && i < 2990 ? Is::header_gone : i % 2 == 0 ? Is::in_use : Is::free);
  }
  SECTION("exactly as many as are read at once") {
    for (int i = 0; i < 1024; i++)
      add(i == 1023 ? Is::free : Is::in_use);
  }
  const auto gone = given_back(memory, blocks);
  REQUIRE(gone);
  CHECK(*gone == expected);
}

/// Blocks of this process.
class OwnBlocks {
public:
  OwnBlocks() { skip_without_glibc_malloc(); }
  OwnBlocks(const OwnBlocks&) = delete;
  OwnBlocks& operator=(const OwnBlocks&) = delete;
  ~OwnBlocks() {
    for (void* const pointer : pointers_)
      std::free(pointer); // NOLINT: malloc is what is tested
  }

  void add(void* pointer, std::size_t asked) {
    REQUIRE(pointer);
    std::memset(pointer, 0xff, asked); // what is in a block says nothing
    pointers_.push_back(pointer);
    asked_.push_back(asked);
  }
  void free(std::size_t index) {
    std::free(pointers_.at(index)); // NOLINT
    freed_.push_back({address_of(pointers_.at(index)), asked_.at(index)});
    pointers_.at(index) = nullptr;
  }
  [[nodiscard]] std::size_t size() const { return pointers_.size(); }
  [[nodiscard]] std::size_t freed() const { return freed_.size(); }
  /// How many of those that were freed are told to be.
  [[nodiscard]] std::size_t told() const {
    std::vector<GlibcBlock> asked = freed_;
    asked.push_back({address_of(pointers_.front()), asked_.front()}); // one that is there
    const auto gone = given_back(LiveMemory(getpid()), asked);
    REQUIRE(gone);
    return static_cast<std::size_t>(std::count(gone->begin(), gone->end(), true));
  }
  void check_held() const {
    std::vector<GlibcBlock> held;
    for (std::size_t i = 0; i < pointers_.size(); i++)
      if (pointers_[i])
        held.push_back({address_of(pointers_[i]), asked_[i]});
    const auto gone = given_back(LiveMemory(getpid()), held);
    REQUIRE(gone);
    REQUIRE(gone->size() == held.size());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < held.size(); i++)
      if ((*gone)[i]) {
        wrong++;
        std::uint64_t header = 0;
        std::memcpy(&header, static_cast<const char*>(at(held[i])) - 8, sizeof(header));
        UNSCOPED_INFO("asked for " << held[i].bytes << " bytes, header " << header);
      }
    CHECK(wrong == 0);
  }

private:
  static std::uint64_t address_of(const void* pointer) {
    return reinterpret_cast<std::uint64_t>(pointer); // NOLINT: as another process sees it
  }
  static const void* at(const GlibcBlock& block) {
    return reinterpret_cast<const void*>(block.address); // NOLINT: it is ours
  }

  std::vector<void*> pointers_;
  std::vector<std::size_t> asked_;
  std::vector<GlibcBlock> freed_;
};

TEST_CASE("blocks that this process holds are there", "[chunk]") {
  OwnBlocks blocks;
  SECTION("by malloc") {
    for (std::size_t bytes = 0; bytes <= 5000; bytes++)
      blocks.add(std::malloc(bytes), bytes); // NOLINT
    for (const std::size_t bytes : {200000, 1 << 20, 5 << 20})
      blocks.add(std::malloc(bytes), bytes); // NOLINT
  }
  SECTION("by calloc") {
    for (std::size_t count = 1; count <= 500; count++)
      blocks.add(std::calloc(count, 7), count * 7); // NOLINT
    blocks.add(std::calloc(1000, 200), 200000);     // NOLINT
  }
  SECTION("by realloc, made smaller and larger") {
    for (std::size_t bytes = 1; bytes <= 3000; bytes += 7)
      for (const std::size_t before : {bytes / 3 + 1, bytes + 8, bytes + 24, bytes + 40, 3 * bytes})
        blocks.add(std::realloc(std::malloc(before), bytes), bytes); // NOLINT
    blocks.add(std::realloc(std::malloc(300000), 200000), 200000);   // NOLINT
    blocks.add(std::realloc(std::malloc(200000), 300000), 300000);   // NOLINT
  }
  SECTION("where others have been") {
    for (std::size_t i = 0; i < 2000; i++)
      blocks.add(std::malloc(i * 37 % 4000), i * 37 % 4000); // NOLINT
    for (std::size_t i = 0; i < 2000; i++)
      if (i * 7 % 5 < 3)
        blocks.free(i);
    for (std::size_t i = 0; i < 4000; i++)
      blocks.add(std::malloc(i * 53 % 3000), i * 53 % 3000); // NOLINT
  }
  blocks.check_held();
}

TEST_CASE("aligned blocks that this process holds are there", "[chunk]") {
  OwnBlocks blocks;
  for (const std::size_t alignment : {32, 64, 256, 4096})
    for (std::size_t bytes = 1; bytes <= 3000; bytes += 13) {
      blocks.add(memalign(alignment, bytes), bytes);
      void* pointer = nullptr;
      REQUIRE(posix_memalign(&pointer, alignment, bytes) == 0);
      blocks.add(pointer, bytes);
      blocks.add(std::malloc(bytes % 100), bytes % 100); // NOLINT: so that they begin anywhere
    }
  for (const std::size_t alignment : {64, 4096, 65536})
    blocks.add(memalign(alignment, 200000), 200000);
  blocks.check_held();
}

TEST_CASE("blocks of whole pages that this process holds are there", "[chunk]") {
  OwnBlocks blocks;
  for (const std::size_t bytes : {1, 100, 4000, 4096, 5000, 200000}) {
    blocks.add(valloc(bytes), bytes);
    blocks.add(pvalloc(bytes), bytes); // takes whole pages, whatever was asked for
  }
  blocks.check_held();
}

TEST_CASE("blocks of another thread's arena are there", "[chunk]") {
  OwnBlocks blocks;
  std::vector<void*> taken;
  std::thread([&] {
    for (std::size_t bytes = 1; bytes <= 3000; bytes += 3)
      taken.push_back(std::malloc(bytes)); // NOLINT
  }).join();
  for (std::size_t i = 0; i < taken.size(); i++)
    blocks.add(taken[i], 1 + 3 * i);
  blocks.check_held();
}

TEST_CASE("most blocks that this process freed are told, and no others", "[chunk]") {
  OwnBlocks blocks;
  constexpr std::size_t count = 600;
  // None so small that a thread's cache would keep it.
  for (std::size_t i = 0; i < count; i++)
    blocks.add(std::malloc(1100 + i * 61 % 4000), 1100 + i * 61 % 4000); // NOLINT
  SECTION("each between two that are held") {
    for (std::size_t i = 1; i < count; i += 2)
      blocks.free(i);
  }
  SECTION("several side by side") {
    for (std::size_t i = 1; i < count; i++)
      if (i % 7 < 4)
        blocks.free(i);
  }
  SECTION("with memory of their own") {
    for (std::size_t i = 0; i < 20; i++)
      blocks.add(std::malloc(40 << 20), 40 << 20); // NOLINT
    for (std::size_t i = count; i < blocks.size(); i++)
      blocks.free(i);
  }
  CAPTURE(blocks.freed());
  CHECK(blocks.told() >= blocks.freed() / 2);
  blocks.check_held();
}

} // namespace
} // namespace leakbpf
