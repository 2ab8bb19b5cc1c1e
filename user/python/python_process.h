// SPDX-License-Identifier: Apache-2.0
// The CPython interpreter of a live process.
#pragma once

#include "plan/allocators.h"
#include "python/arenas.h"
#include "python/interpreter_file.h"
#include "python/layout.h"
#include "python/pool_function.h"

#include <optional>
#include <span>
#include <string>

namespace leakbpf {

struct PythonProcess {
  PythonLayout layout;       ///< with the way to each thread's state
  std::uint64_t runtime = 0; ///< address of _PyRuntime
};

/// What a look at a process found.
struct PythonSearch {
  std::optional<PythonVersion> version; ///< of the interpreter it has mapped; nothing: none
  std::optional<PythonProcess> process; ///< when it is understood and initialised
  std::optional<Allocator> pools;       ///< the function that takes a pool, in its file
  /// A place at the beginning of the function that frees code objects, in that file.
  std::optional<std::uint64_t> code_dealloc_offset;
  /// The same of the garbage collector's function.
  std::optional<std::uint64_t> collector_offset;
  MappedFile interpreter;          ///< the file
  std::optional<ArenaList> arenas; ///< up to 3.11
  std::uint32_t pool_bytes = 0;    ///< 0: pools are not followed
  /// Why it is not understood; empty: it may be initialised yet.
  std::string problem;
  /// The program is named like a Python, and no interpreter is mapped (yet).
  bool only_named = false;
};

/// Looks for an interpreter among the files of `mappings`.
[[nodiscard]] PythonSearch find_python(const ProcFs& proc, pid_t pid,
                                       std::span<const Mapping> mappings);

} // namespace leakbpf
