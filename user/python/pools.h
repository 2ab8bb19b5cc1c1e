// SPDX-License-Identifier: Apache-2.0
// The pools of CPython's allocator of small objects, looked at from outside.
#pragma once

#include "base/process_memory.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace leakbpf {

// struct pool_header of Objects/obmalloc.c, the same from 3.8 to 3.14.
inline constexpr std::uint32_t pool_header_bytes = 48;
inline constexpr std::uint32_t pool_alignment = 16;    ///< of blocks, and the step of their sizes
inline constexpr std::uint32_t pool_size_classes = 32; ///< blocks of (class + 1) * alignment bytes

enum class PoolUse {
  in_use,
  empty,
  gone, ///< its arena was given back
};

/// Of each pool, by the first word of its header (struct pool_header of Objects/obmalloc.c).
/// Nothing when none could be read: then it is rather the process that is gone.
[[nodiscard]] std::optional<std::vector<PoolUse>> pool_use(const ProcessMemory& memory,
                                                           std::span<const std::uint64_t> pools);

} // namespace leakbpf
