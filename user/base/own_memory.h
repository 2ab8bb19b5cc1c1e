// SPDX-License-Identifier: Apache-2.0
// How much memory leakbpf itself may take.
#pragma once

#include <cstdint>

namespace leakbpf {

/// An eighth of what the machine or the cgroup has, in bytes; at least 256 MiB, at most 4 GiB.
[[nodiscard]] std::uint64_t default_own_memory(std::uint64_t available);

/// From here on this process may take `bytes` at the most: what would take more fails for want of
/// memory (RLIMIT_DATA: the heap, private mappings, the stacks of threads). The kernel's tables
/// have limits of their own. To be called before there are threads, whose stacks are small from
/// then on, and after programs were started, which would inherit it.
void limit_own_memory(std::uint64_t bytes);

/// The limit as it is now, in bytes.
[[nodiscard]] std::uint64_t own_memory_limit();

} // namespace leakbpf
