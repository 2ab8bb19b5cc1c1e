// SPDX-License-Identifier: Apache-2.0
#include "reach/heap_room.h"

#include "base/clocks.h"
#include "reach/chunk_walk.h"

#include <algorithm>
#include <vector>

namespace leakbpf {

namespace {

constexpr int most_tries = 3;
constexpr double most_seconds = 1; // of a core
// A thread arena's older heaps end in two headers that no block follows.
constexpr std::uint64_t fence_bytes = 32;

/// A block shares its first and last page with others; whole pages of it may have been given back.
std::uint64_t occupied(const PresentPages& pages, const HeapBlock& block) {
  const std::uint64_t first = (block.start + page_bytes - 1) / page_bytes * page_bytes;
  const std::uint64_t last = block.end / page_bytes * page_bytes;
  if (first >= last)
    return block.end - block.start;
  return block.end - block.start - (last - first) + used_bytes(pages, first, last - first);
}

/// Do the headers lead to the end? Behind blocks with their own mapping others may lie in the same.
bool is_whole(const FirstChunk& first, std::uint64_t reached) {
  switch (first.place) {
  case ChunkPlace::main_arena: // with a fence it goes on elsewhere
    return reached >= first.end;
  case ChunkPlace::thread_arena:
    return reached + fence_bytes >= first.end;
  default:
    return true;
  }
}

/// `until`: by cpu_seconds().
std::optional<HeapRoom> measure(const ProcessMemory& memory, const PresentPages& pages,
                                const FirstChunk& first, double until) {
  constexpr std::uint64_t chunks_at_once = 4096;
  HeapRoom room;
  std::uint64_t reached = first.header;
  std::uint64_t chunks = 0;
  for (ChunkWalk walk(memory, pages, first); !walk.is_done(); walk.step()) {
    if (++chunks % chunks_at_once == 0 && cpu_seconds() > until)
      return std::nullopt;
    const auto block = walk.block();
    reached = block ? block->end : walk.header();
    if (!block)
      continue;
    if (block->in_use)
      room.used_bytes += block->end - block->start;
    else
      room.free_bytes += occupied(pages, *block);
  }
  return is_whole(first, reached) ? std::optional(room) : std::nullopt;
}

bool may_have_chunks(const Mapping& mapping) {
  return mapping.writable && mapping.inode == 0 &&
         (mapping.path == "[heap]" || is_unnamed(mapping));
}

/// Where chunks may begin. The kernel makes one of mappings side by side, and several of one where
/// parts of it are advised or bound; each heap of an arena is looked for at its own place.
std::vector<Mapping> places_of_chunks(std::span<const Mapping> mappings) {
  std::vector<Mapping> joined;
  for (const Mapping& mapping : mappings) {
    if (!may_have_chunks(mapping))
      continue;
    if (!joined.empty() && joined.back().end == mapping.start && joined.back().path == mapping.path)
      joined.back().end = mapping.end;
    else
      joined.push_back(mapping);
  }
  std::vector<Mapping> places;
  for (const Mapping& mapping : joined)
    for (std::uint64_t at = mapping.start; at < mapping.end;) {
      const std::uint64_t next =
          mapping.path == "[heap]" ? mapping.end : (at / thread_heap_bytes + 1) * thread_heap_bytes;
      Mapping& place = places.emplace_back(mapping);
      place.start = at;
      place.end = std::min(mapping.end, next);
      at = next;
    }
  return places;
}

} // namespace

std::optional<HeapRoom> measure_heap_room(const ProcessMemory& memory, const PresentPages& pages,
                                          std::span<const Mapping> mappings) {
  const double until = cpu_seconds() + most_seconds;
  HeapRoom all;
  bool any = false;
  for (const Mapping& place : places_of_chunks(mappings)) {
    const PageState page = pages.states(place.start, 1).front();
    if (page == PageState::absent)
      continue;
    std::optional<FirstChunk> first;
    if (page == PageState::present)
      first = find_first_chunk(memory, place);
    const bool is_main = place.path == "[heap]";
    if (!first && !is_main && page == PageState::present)
      continue; // something else
    if (!first || first->end > place.end)
      return std::nullopt;
    std::optional<HeapRoom> room;
    for (int tries = 0; !room && tries < most_tries && cpu_seconds() < until; tries++)
      room = measure(memory, pages, *first, until);
    if (!room)
      return std::nullopt;
    any = any || first->place != ChunkPlace::mapped;
    all.free_bytes += room->free_bytes;
    all.used_bytes += room->used_bytes;
  }
  return any ? std::optional(all) : std::nullopt;
}

} // namespace leakbpf
