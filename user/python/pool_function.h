// SPDX-License-Identifier: Apache-2.0
// CPython's small-object allocator takes memory in pools; the function that begins a new one is the
// only part of it that is not inlined everywhere. It has no public name.
#pragma once

#include "base/process_memory.h"
#include "python/interpreter_file.h"

#include <cstdint>
#include <optional>

namespace leakbpf {

struct PoolFunction {
  std::uint64_t address = 0; ///< virtual, in the file
  std::vector<std::uint8_t> code;
  std::uint32_t pool_bytes = 0; ///< 4 KiB up to 3.9, 16 KiB later; pools are aligned to it
};

/// allocate_from_new_pool of Objects/obmalloc.c: by its symbol, else as the one function that
/// PyObject_Malloc, or what it jumps to in the live process, calls and that writes what a new
/// pool's header begins with. `bias` is what the process adds to the file's addresses. Nothing
/// in 3.8, where it is no function of its own.
[[nodiscard]] std::optional<PoolFunction> find_pool_function(const ElfFile& file,
                                                             const InterpreterFile& interpreter,
                                                             std::uint64_t bias,
                                                             const ProcessMemory& memory);

} // namespace leakbpf
