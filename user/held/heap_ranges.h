// SPDX-License-Identifier: Apache-2.0
// Where in a process objects of its own heap can lie.
#pragma once

#include "held/heap_scan.h"
#include "target/proc_fs.h"

#include <span>
#include <vector>

namespace leakbpf {

/// Private memory that is of no file: what mmap and brk gave, whatever allocator asked for it, and
/// memory on huge pages. Stacks of threads are among it; the main thread's is not.
[[nodiscard]] std::vector<HeapRange> heap_ranges(std::span<const Mapping> mappings);

} // namespace leakbpf
