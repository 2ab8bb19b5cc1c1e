// SPDX-License-Identifier: Apache-2.0
// Of glibc's heaps in a live process, how much is in blocks and how much is room: a heap that only
// gains room is fragmented, and leaks nothing.
#pragma once

#include "python/process_memory.h"
#include "target/present_pages.h"
#include "target/proc_fs.h"

#include <cstdint>
#include <optional>
#include <span>

namespace leakbpf {

/// Bytes in RAM or swapped out.
struct HeapRoom {
  std::uint64_t free_bytes = 0; ///< between blocks, and not handed out yet
  std::uint64_t used_bytes = 0; ///< in blocks, those that wait in threads' caches among them
};

/// Of all arenas; blocks that were mapped one by one have no room. Reads each header once. Nothing
/// where there is no heap of glibc's, or where one changed again and again while it was read: its
/// headers have to lead exactly to its end.
[[nodiscard]] std::optional<HeapRoom> measure_heap_room(const ProcessMemory& memory,
                                                        const PresentPages& pages,
                                                        std::span<const Mapping> mappings);

} // namespace leakbpf
