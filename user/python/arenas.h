// SPDX-License-Identifier: Apache-2.0
// The state of CPython's allocator of small objects, from its own structures: arenas, which it
// takes from the system, hold pools, which hold blocks of one size each.
#pragma once

#include "base/process_memory.h"
#include "python/interpreter_file.h"
#include "python/pool_function.h"

#include <cstdint>
#include <optional>

namespace leakbpf {

/// Bytes and numbers at one moment.
struct SmallObjectHeap {
  std::uint64_t arenas = 0;
  std::uint64_t arena_bytes = 0;
  std::uint64_t pools = 0; ///< with at least one block in use
  std::uint64_t pool_bytes = 0;
  std::uint64_t live_blocks = 0;
  std::uint64_t live_bytes = 0; ///< of blocks in use, as large as their size class

  friend bool operator==(const SmallObjectHeap&, const SmallObjectHeap&) = default;
};

/// Where an interpreter keeps its list of arenas.
struct ArenaList {
  std::uint64_t pointer_at = 0;          ///< address of the variable `arenas`
  std::optional<std::uint64_t> count_at; ///< of `maxarenas`; nothing: as many as the block holds
  std::uint32_t pool_bytes = 0;          ///< of each pool
  std::uint32_t bytes_of_arena = 0;
};

/// Up to 3.11 the list is one for the process; the function that begins a pool computes an arena's
/// number from it. `bias` is what the process adds to the file's addresses.
[[nodiscard]] std::optional<ArenaList>
find_arena_list(PythonVersion version, const PoolFunction& function, std::uint64_t bias);
/// From 3.12 on each interpreter has one, in the state that the function is given (struct
/// _obmalloc_state of Include/internal/pycore_obmalloc.h).
[[nodiscard]] ArenaList arena_list_of(std::uint64_t state, std::uint32_t pool_bytes);

/// Nothing when the list cannot be read or makes no sense. Reads the live process, whose heap
/// changes meanwhile.
[[nodiscard]] std::optional<SmallObjectHeap> read_small_objects(const ProcessMemory& memory,
                                                                const ArenaList& list);

} // namespace leakbpf
