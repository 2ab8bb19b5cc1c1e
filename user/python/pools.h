// SPDX-License-Identifier: Apache-2.0
// The pools of CPython's allocator of small objects, looked at from outside.
#pragma once

#include "base/process_memory.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace leakbpf {

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
