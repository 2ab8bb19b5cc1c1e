// SPDX-License-Identifier: Apache-2.0
// Where glibc's malloc begins and ends its blocks (struct malloc_chunk, heap_info and
// malloc_state of malloc/malloc.c and arena.c): in each chunk's header stand its size, and whether
// the one before it is in use.
#pragma once

#include "base/process_memory.h"
#include "target/present_pages.h"
#include "target/proc_fs.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace leakbpf {

/// A chunk's block: [start, end).
struct HeapBlock {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  bool in_use = false; ///< else it is free, or was not handed out yet
};

/// The part of a block that was free, in which `address` lies, if that is in use by now: `block`
/// may have been cut into several. Reads at most `headers` of these, and takes from it what it
/// read: nothing is known where that comes to 0.
[[nodiscard]] std::optional<HeapBlock> part_in_use(const ProcessMemory& memory,
                                                   const HeapBlock& block, std::uint64_t address,
                                                   std::size_t& headers);

/// A heap of an arena but the main one begins at a multiple of it, and is no larger (HEAP_MAX_SIZE
/// of 64-bit glibc).
inline constexpr std::uint64_t thread_heap_bytes = 64ULL << 20;

enum class ChunkPlace : std::uint8_t {
  main_arena,   ///< [heap]
  thread_arena, ///< a heap of another arena
  mapped,       ///< chunks that were mapped one by one
};

/// Where the first chunk of a mapping is.
struct FirstChunk {
  ChunkPlace place = ChunkPlace::main_arena;
  std::uint64_t header = 0;
  std::uint64_t end = 0; ///< of the last: a heap that was trimmed keeps its mapping
};

/// Has it no name, or the one that glibc gives to what it maps (tunable glibc.mem.decorate_maps)?
[[nodiscard]] bool is_unnamed(const Mapping& mapping);

/// Nothing where glibc keeps no chunks. Reads in the mapping's first page alone.
[[nodiscard]] std::optional<FirstChunk> find_first_chunk(const ProcessMemory& memory,
                                                         const Mapping& mapping);

/// Goes over the chunks of a mapping, one after the other.
class ChunkWalk {
public:
  /// `memory` and `pages` must outlive it.
  ChunkWalk(const ProcessMemory& memory, const PresentPages& pages, const FirstChunk& first);
  /// The chunk's block. Nothing when it is malloc's own.
  [[nodiscard]] std::optional<HeapBlock> block() const;
  /// What is in that block, up to `most` bytes, for the moment: less where pages are not there.
  [[nodiscard]] std::span<const std::uint8_t> contents(std::size_t most);
  void step();
  /// At the end, where what should be a header makes no sense, or where its page is not there.
  [[nodiscard]] bool is_done() const { return done_; }
  /// Address of the chunk that it is at.
  [[nodiscard]] std::uint64_t header() const { return header_; }

private:
  [[nodiscard]] std::span<const std::uint8_t> bytes_at(std::uint64_t address, std::size_t wanted);
  void read_piece(std::uint64_t address);
  [[nodiscard]] std::uint64_t size_word(std::uint64_t header);
  [[nodiscard]] bool is_cache() const;
  void look();

  const ProcessMemory& memory_;
  const PresentPages& pages_;
  ChunkPlace place_;
  std::uint64_t header_;
  std::uint64_t next_; ///< header of the chunk behind it
  std::uint64_t end_;
  std::uint64_t first_;
  std::uint64_t piece_start_ = 0;
  std::vector<std::uint8_t> piece_; ///< read at once
  bool in_use_ = false;
  bool done_ = false;
};

} // namespace leakbpf
