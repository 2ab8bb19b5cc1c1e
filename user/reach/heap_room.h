// SPDX-License-Identifier: Apache-2.0
// Of glibc's heaps in a live process, how much is in blocks and how much is room: a heap that only
// gains room is fragmented, and leaks nothing.
#pragma once

#include "base/process_memory.h"
#include "target/present_pages.h"
#include "target/proc_fs.h"

#include <cstdint>
#include <optional>
#include <span>

namespace leakbpf {

struct HeapRoom {
  /// Between blocks, and not handed out yet; bytes in RAM or swapped out.
  std::uint64_t free_bytes = 0;
  /// In blocks, those that wait in threads' caches among them; bytes, whether touched or not.
  std::uint64_t used_bytes = 0;
};

/// Of all arenas, and of blocks that were mapped one by one as far as these are found. Nothing
/// where there is no heap of glibc's, where a part of one is swapped out or is in no place of its
/// own, where one changed in all of three tries (its headers have to lead exactly to its end), or
/// where it takes more than a second of a core.
[[nodiscard]] std::optional<HeapRoom> measure_heap_room(const ProcessMemory& memory,
                                                        const PresentPages& pages,
                                                        std::span<const Mapping> mappings);

} // namespace leakbpf
