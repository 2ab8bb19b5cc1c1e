// SPDX-License-Identifier: Apache-2.0
// A CPython interpreter in an ELF file: a python3 binary, or a libpython3.
#pragma once

#include "elf/elf_file.h"
#include "python/layout.h"

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace leakbpf {

/// A function of the file, by its virtual address.
struct CodeBlock {
  std::uint64_t address = 0;
  std::vector<std::uint8_t> code;
};

/// Addresses are virtual ones of the file.
struct InterpreterFile {
  PythonVersion version;
  std::uint64_t runtime = 0;   ///< _PyRuntime
  CodeBlock evaluation;        ///< _PyEval_EvalFrameDefault
  CodeBlock thread_state;      ///< PyGILState_GetThisThreadState
  CodeBlock object_malloc;     ///< PyObject_Malloc; empty when it is not exported
  std::uint64_t code_type = 0; ///< PyCode_Type; 0: it is not exported
  CodeBlock collector;         ///< gc_collect_main; empty when the file is stripped
  CodeBlock new_pool;          ///< allocate_from_new_pool; empty when the file is stripped
};

/// Up to `most` bytes of code at a virtual address; none when the file has none there.
[[nodiscard]] CodeBlock code_at(const ElfFile& file, std::uint64_t address, std::uint64_t most);

/// Nothing when the file has no interpreter in it. Looks into .dynsym, and into a program's
/// .symtab.
[[nodiscard]] std::optional<InterpreterFile> find_interpreter(const ElfFile& file);

} // namespace leakbpf
