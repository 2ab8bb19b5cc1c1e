// SPDX-License-Identifier: Apache-2.0
// Whether a process can still reach blocks of its heap: from all memory that is no block of the
// heap (variables, stacks, what it mapped itself) to the blocks that this has pointers to, to those
// that these have pointers to, and so on. Any word whose value lies in a block counts as a pointer
// to it, wherever in it: what is hidden from that (xor, compression) looks lost.
//
// Read from outside while the process runs: a pointer that moves from a place that is yet to be
// read to one that was read is missed. What one search calls lost may not be; what several do, is.
#pragma once

#include "base/process_memory.h"
#include "reach/chunk_walk.h"
#include "reach/heap_index.h"
#include "target/present_pages.h"
#include "target/proc_fs.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// A block as it was handed out.
struct ReachBlock {
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;
};

enum class HolderKind : std::uint8_t {
  data,   ///< a variable of a program or library
  stack,  ///< of a thread
  memory, ///< mapped by the program, or of an allocator whose blocks are not known
};

struct Holder {
  HolderKind kind = HolderKind::memory;
  std::uint64_t address = 0; ///< of the pointer
  pid_t thread = 0;          ///< whose stack it is; 0: the main thread's
  std::size_t blocks = 0;    ///< of the heap, that the way leads through
};

struct Reach {
  bool known = false;           ///< else there was too much to look at
  std::optional<Holder> holder; ///< known, and none: lost
};

struct ThreadStack {
  pid_t thread = 0;
  std::uint64_t pointer = 0; ///< its stack pointer; what is below is no longer used
};

/// Of threads that wait in a system call: /proc/PID/task/TID/syscall.
[[nodiscard]] std::vector<ThreadStack> waiting_stacks(const ProcFs& proc, pid_t pid);

class ReachSearch {
public:
  /// All must outlive it.
  ReachSearch(const ProcessMemory& memory, const PresentPages& pages,
              std::span<const Mapping> mappings, std::span<const ThreadStack> stacks);

  /// For each of the blocks.
  [[nodiscard]] std::vector<Reach> run(std::span<const ReachBlock> blocks);

private:
  /// Memory that is no block.
  struct Area {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    HolderKind kind = HolderKind::memory;
    pid_t thread = 0;
  };

  void add_area(const Mapping& mapping, const Mapping* before, std::span<const ThreadStack> stacks);
  void add_blocks(const Mapping& mapping, Area area);
  template <class Hit> void each_word(std::uint64_t start, std::uint64_t end, const Hit& hit);
  void mark_from_areas();
  void mark_from_blocks();
  void mark_from_small(std::span<const std::uint32_t> blocks);
  void mark(std::uint64_t word, std::uint32_t by);
  void mark_part(std::uint32_t block, std::uint64_t word, std::uint32_t by);
  [[nodiscard]] HeapBlock range_of(std::uint32_t number) const;
  [[nodiscard]] Reach reach_of(std::uint64_t address) const;

  const ProcessMemory& memory_;
  const PresentPages& pages_;
  std::vector<Area> areas_;
  HeapIndex heap_;
  std::vector<std::uint32_t> marked_by_; ///< of each block and part; none: not reached so far
  std::vector<HeapBlock> parts_;         ///< that were handed out meanwhile; numbered behind blocks
  std::map<std::uint64_t, std::uint32_t> part_from_; ///< their numbers, by where they start
  std::vector<std::uint32_t> queue_;                 ///< blocks that were reached, in that order
  std::unordered_map<std::uint32_t, Holder> held_at_once_; ///< without a block between
  std::vector<std::uint8_t> buffer_;
  std::vector<std::uint64_t> words_;
  /// To be read of blocks that were free: some tenths of a second.
  std::size_t headers_left_ = 1'000'000;
  bool too_much_ = false;
};

} // namespace leakbpf
