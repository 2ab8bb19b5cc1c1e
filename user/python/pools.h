// SPDX-License-Identifier: Apache-2.0
// The pools of CPython's allocator of small objects, looked at from outside.
#pragma once

#include "python/process_memory.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace leakbpf {

/// How many of each pool's blocks are in use: the first word of its header (struct pool_header of
/// Objects/obmalloc.c). Nothing for a pool whose arena is gone.
[[nodiscard]] std::vector<std::optional<std::uint32_t>>
pool_use(const ProcessMemory& memory, std::span<const std::uint64_t> pools);

} // namespace leakbpf
