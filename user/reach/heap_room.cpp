// SPDX-License-Identifier: Apache-2.0
#include "reach/heap_room.h"

#include "reach/chunk_walk.h"

#include <algorithm>
#include <vector>

namespace leakbpf {

namespace {

constexpr int most_tries = 3;
// An arena's older heaps end in two headers that no block follows.
constexpr std::uint64_t fence_bytes = 32;

/// A block shares its first and last page with others; whole pages of it may have been given back.
std::uint64_t occupied(const PresentPages& pages, const HeapBlock& block) {
  const std::uint64_t first = (block.start + page_bytes - 1) / page_bytes * page_bytes;
  const std::uint64_t last = block.end / page_bytes * page_bytes;
  if (first >= last)
    return block.end - block.start;
  return block.end - block.start - (last - first) + used_bytes(pages, first, last - first);
}

std::optional<HeapRoom> measure(const ProcessMemory& memory, const PresentPages& pages,
                                const FirstChunk& first) {
  HeapRoom room;
  std::uint64_t reached = first.header;
  for (ChunkWalk walk(memory, pages, first); !walk.is_done(); walk.step()) {
    const auto block = walk.block();
    if (block)
      (block->in_use ? room.used_bytes : room.free_bytes) += occupied(pages, *block);
    reached = block ? block->end : walk.header();
  }
  return reached + fence_bytes >= first.end ? std::optional(room) : std::nullopt;
}

/// Mappings side by side are one to the kernel: each heap of an arena is looked for at its own
/// place.
std::vector<Mapping> heaps_in(const PresentPages& pages, std::span<const Mapping> mappings) {
  std::vector<Mapping> heaps;
  for (const Mapping& mapping : mappings) {
    if (mapping.path == "[heap]")
      heaps.push_back(mapping);
    if (mapping.inode != 0 || !mapping.path.empty() || !mapping.writable)
      continue;
    const std::uint64_t aligned =
        (mapping.start + thread_heap_bytes - 1) / thread_heap_bytes * thread_heap_bytes;
    for (std::uint64_t at = aligned; at < mapping.end; at += thread_heap_bytes) {
      Mapping heap = mapping;
      heap.start = at;
      heap.end = std::min(mapping.end, at + thread_heap_bytes);
      if (pages.states(at, 1).front() == PageState::present)
        heaps.push_back(std::move(heap));
    }
  }
  return heaps;
}

} // namespace

std::optional<HeapRoom> measure_heap_room(const ProcessMemory& memory, const PresentPages& pages,
                                          std::span<const Mapping> mappings) {
  std::optional<HeapRoom> all;
  for (const Mapping& heap : heaps_in(pages, mappings)) {
    const auto first = find_first_chunk(memory, heap);
    if (!first || first->place == ChunkPlace::mapped)
      continue;
    std::optional<HeapRoom> room;
    for (int tries = 0; !room && tries < most_tries; tries++)
      room = measure(memory, pages, *first);
    if (!room)
      return std::nullopt;
    HeapRoom& sum = all ? *all : all.emplace();
    sum.free_bytes += room->free_bytes;
    sum.used_bytes += room->used_bytes;
  }
  return all;
}

} // namespace leakbpf
