// SPDX-License-Identifier: Apache-2.0
// A process whose memory is the input: headers of chunks, variables, a stack. Whatever stands
// there, the search for who holds its blocks ends, and no heap has more than its mappings.
#include "reach/heap_room.h"
#include "reach/reach_search.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

using namespace leakbpf; // NOLINT: a program of one page

namespace {

constexpr std::uint64_t heap_bytes = 0x4000;

/// Where what lies: addresses are small, so that inputs come upon them.
std::vector<Mapping> make_mappings() {
  struct Piece {
    std::uint64_t start;
    std::uint64_t bytes;
    const char* path;
  };
  std::vector<Mapping> made;
  for (const Piece& piece :
       {Piece{0x1000, page_bytes, "/bin/shop"}, Piece{0x3000, heap_bytes, "[heap]"},
        Piece{0x8000, heap_bytes, ""}, // a chunk that was mapped by itself
        Piece{0xd000, page_bytes, "[stack]"},
        Piece{64 << 20, heap_bytes, ""}}) { // a thread's arena
    Mapping& mapping = made.emplace_back();
    mapping.start = piece.start;
    mapping.end = piece.start + piece.bytes;
    mapping.path = piece.path;
    mapping.inode = piece.path[0] == '/' ? 7 : 0;
    mapping.writable = true;
  }
  return made;
}

class InputMemory : public ProcessMemory {
public:
  InputMemory(std::span<const std::uint8_t> input, std::span<const Mapping> mappings)
      : mappings_(mappings) {
    for (const Mapping& mapping : mappings) {
      std::vector<std::uint8_t>& bytes = pieces_.emplace_back(mapping.end - mapping.start);
      const std::size_t taken = std::min(input.size(), bytes.size());
      std::copy_n(input.begin(), taken, bytes.begin());
      input = input.subspan(taken);
    }
  }
  [[nodiscard]] bool read(std::uint64_t address, void* to, std::size_t size) const override {
    for (std::size_t i = 0; i < pieces_.size(); i++)
      if (address >= mappings_[i].start && address < mappings_[i].end &&
          size <= mappings_[i].end - address) {
        std::memcpy(to, &pieces_[i][address - mappings_[i].start], size);
        return true;
      }
    return false;
  }

private:
  std::span<const Mapping> mappings_;
  std::vector<std::vector<std::uint8_t>> pieces_;
};

class SomePages : public PresentPages {
public:
  explicit SomePages(std::uint8_t absent) : absent_(absent) {}
  [[nodiscard]] std::vector<PageState> states(std::uint64_t address,
                                              std::size_t count) const override {
    std::vector<PageState> states(count, PageState::present);
    for (std::size_t i = 0; i < count; i++)
      if (((address / page_bytes + i) & 7) < absent_ % 8U)
        states[i] = absent_ % 2 == 0 ? PageState::absent : PageState::swapped;
    return states;
  }

private:
  std::uint8_t absent_;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3)
    return 0;
  const std::vector<Mapping> mappings = make_mappings();
  const InputMemory memory({data + 3, size - 3}, mappings);
  const SomePages pages(data[0]);
  const std::vector<ThreadStack> stacks{{3, 0xd000 + data[1] * 16ULL}};
  std::vector<ReachBlock> blocks;
  for (const Mapping& mapping : mappings)
    for (std::uint64_t at = mapping.start + 16; at < mapping.end; at += 16ULL * (data[2] | 1))
      blocks.push_back({at, 32});
  const std::vector<Reach> found = ReachSearch(memory, pages, mappings, stacks).run(blocks);
  if (found.size() != blocks.size())
    std::abort();
  std::uint64_t mapped = 0;
  for (const Mapping& mapping : mappings)
    mapped += mapping.end - mapping.start;
  const auto room = measure_heap_room(memory, pages, mappings);
  if (room && room->free_bytes + room->used_bytes > mapped)
    std::abort();
  return 0;
}
