// SPDX-License-Identifier: Apache-2.0
// The pools of CPython's allocator of small objects, looked at from outside.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <sys/types.h>

namespace leakbpf {

/// How many of each pool's blocks are in use: the first word of its header (struct pool_header of
/// Objects/obmalloc.c). Nothing for a pool whose arena is gone. Reads them without stopping the
/// process; when it has ended, nothing for all.
[[nodiscard]] std::vector<std::optional<std::uint32_t>>
pool_use(pid_t pid, std::span<const std::uint64_t> pools);

} // namespace leakbpf
