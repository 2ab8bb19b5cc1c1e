// SPDX-License-Identifier: Apache-2.0
// Reads all objects of a Python process from outside, as they lie in the pools of its small-object
// allocator (struct pool_header of Objects/obmalloc.c): a pool tells by its header that it is one,
// and its free list tells which blocks are in use. Where there are no pools (PYTHONMALLOC=malloc)
// they lie in the chunks of glibc's malloc. The process is not stopped, nothing is written, and
// pages that are not there are not brought in.
#pragma once

#include "held/object_types.h"
#include "held/pool_set.h"
#include "target/present_pages.h"

#include <functional>
#include <span>
#include <vector>

namespace leakbpf {

/// Memory in which objects may lie: addresses [start, end).
struct HeapRange {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  bool by_brk = false; ///< where malloc's main arena begins
};

/// An object that is in use.
struct FoundObject {
  std::uint64_t address = 0; ///< of the object, behind its headers
  TypeNumber type = 0;
  std::uint32_t block_bytes = 0;
  /// Of the object, 32 or more if it has so many; for the moment.
  std::span<const std::uint8_t> bytes;
};

/// What one scan did, and what it could not.
struct ScanCounts {
  std::uint64_t pools = 0;
  std::uint64_t chunks = 0;  ///< of malloc, in use; looked at where there are no pools only
  std::uint64_t blocks = 0;  ///< in use
  std::uint64_t objects = 0; ///< of these, those with a type: others are plain memory
  std::uint64_t bytes_read = 0;
  std::uint64_t torn_pools = 0;    ///< changed each time that they were read: left out
  std::uint64_t swapped_pages = 0; ///< of the heap: left where they are
  std::uint64_t unreadable = 0;    ///< pieces that are there, and could not be read

  /// Pieces in which there may be containers that nobody knows of.
  [[nodiscard]] std::uint64_t unread() const { return torn_pools + swapped_pages + unreadable; }
};

/// Bytes of each block of the pool that begins with this header; 0: it is no pool.
[[nodiscard]] std::uint32_t pool_block_size(std::span<const std::uint8_t> header,
                                            std::uint64_t address, std::uint32_t pool_bytes);

/// Debug hooks (PYTHONMALLOC=debug, -X dev) put two words before what was asked for: its size, and
/// `word`, of the letter of an allocator and seven bytes 0xFD (Objects/obmalloc.c, 3.8 on). How
/// many bytes these are; 0: there are no hooks.
[[nodiscard]] std::uint32_t hook_bytes(std::uint64_t word);

class HeapScan {
public:
  HeapScan(const ProcessMemory& memory, const PresentPages& pages, const ObjectLayout& layout,
           ObjectTypes& types);

  using Visit = std::function<void(const FoundObject&)>;
  /// Visits every object in `ranges`. Addresses come in ascending order within each range.
  ScanCounts run(std::span<const HeapRange> ranges, const Visit& visit);

private:
  struct Window;
  [[nodiscard]] std::vector<Window> find_windows(std::span<const HeapRange> ranges);
  void scan_window(const Window& window, const Visit& visit);
  [[nodiscard]] std::vector<std::uint64_t> find_pools(const Window& window);
  [[nodiscard]] bool read_present(const Window& window, std::uint64_t start, std::size_t bytes);
  enum class PoolState { whole, torn, gone };
  [[nodiscard]] PoolState settle_pool(std::uint64_t address, std::span<const std::uint8_t>& pool,
                                      std::vector<std::uint8_t>& again);
  void count_unreadable(std::uint64_t start, std::uint64_t bytes);
  void visit_pool(std::uint64_t address, std::span<const std::uint8_t> pool, const Visit& visit);
  void scan_chunks(const HeapRange& range, const Visit& visit);
  void visit_block(std::uint64_t address, std::span<const std::uint8_t> block,
                   std::uint32_t block_bytes, const Visit& visit);

  const ProcessMemory& memory_;
  const PresentPages& pages_;
  const ObjectLayout& layout_;
  ObjectTypes& types_;
  PoolSet pools_; ///< no type lies in one: they are too large
  std::vector<std::uint8_t> buffer_;
  std::vector<bool> free_; ///< blocks of the pool that is looked at
  ScanCounts counts_;
};

} // namespace leakbpf
