// SPDX-License-Identifier: Apache-2.0
// All code of the interpreter's evaluation function. Compilers put its unlikely parts elsewhere in
// the file, under a name that is stripped.
#pragma once

#include "python/interpreter_file.h"
#include "unwind/unwind_table.h"

#include <cstdint>
#include <vector>

namespace leakbpf {

/// File offsets [begin, end).
struct FileRange {
  std::uint32_t begin = 0, end = 0;
};

/// The function itself, and every function of `file` into whose middle it jumps, or whose frame is
/// its own where it jumps to the beginning: a tail call's target has a frame of its own there.
[[nodiscard]] std::vector<FileRange>
evaluation_code(const ElfFile& file, const CodeBlock& evaluation, const UnwindTable& table);

/// At a function's beginning the return address is on top of the stack; where code that a compiler
/// put elsewhere begins, its frame is there already. `address` is virtual.
[[nodiscard]] bool begins_a_frame(const ElfFile& file, const UnwindTable& table,
                                  std::uint64_t address);

/// Says in `table` that the rules of these file offsets are an interpreter's.
void mark_interpreter(UnwindTable& table, std::uint32_t begin, std::uint32_t end,
                      leakbpf_interpreter interpreter);

/// mark_interpreter() for all code of the evaluation function, if `file` has one.
void mark_python(const ElfFile& file, UnwindTable& table);

} // namespace leakbpf
