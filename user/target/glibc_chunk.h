// SPDX-License-Identifier: Apache-2.0
// Tells from the headers that glibc's malloc keeps around blocks that one is not there any more.
#pragma once

#include "base/process_memory.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace leakbpf {

/// In the header before each block: the chunk's size, with flags in the bits that a size has no use
/// for.
namespace glibc_chunk {
inline constexpr std::uint64_t alignment = 16;
inline constexpr std::uint64_t smallest = 32;
inline constexpr std::uint64_t flags = 7;
inline constexpr std::uint64_t previous_in_use = 1;
inline constexpr std::uint64_t mapped = 2;      ///< by itself
inline constexpr std::uint64_t other_arena = 4; ///< not in the main one
} // namespace glibc_chunk

/// A block as it was handed out.
struct GlibcBlock {
  std::uint64_t address = 0;
  std::uint64_t bytes = 0; ///< asked for
};

/// True of a block that was surely given back: it lies in no chunk of its size (glibc's struct
/// malloc_chunk, malloc/malloc.c: the size with three flags before each block, and in the flags of
/// the next chunk whether this one is in use), or its memory is gone. A block that was given back
/// and handed out again in the same size, or that waits in a thread's cache for that, is not told.
/// Nothing when no memory could be read: then it is rather the process that is gone.
[[nodiscard]] std::optional<std::vector<bool>> given_back(const ProcessMemory& memory,
                                                          std::span<const GlibcBlock> blocks);

} // namespace leakbpf
