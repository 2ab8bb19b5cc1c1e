// SPDX-License-Identifier: Apache-2.0
// What a Python code object says of itself, read from a live process.
#pragma once

#include "base/process_memory.h"
#include "python/layout.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace leakbpf {

struct CodeObject {
  std::string file;     ///< co_filename: absolute, or as the module was found; "<string>"
  std::string function; ///< qualified where the version knows it (from 3.11)
  std::uint32_t first_line = 0;
  std::uint32_t first_traceable = 0; ///< bytes into the bytecode; before it Python shows no frame
  std::vector<std::uint8_t> line_table;

  friend bool operator==(const CodeObject&, const CodeObject&) = default;
};

/// The code object at `address`, if it still is the one whose checksum the walker took. Nothing
/// when it is not, or when something of it makes no sense. `deaths`: of code at such an address,
/// see leakbpf/python_abi.h.
[[nodiscard]] std::optional<CodeObject> read_code_object(const ProcessMemory& memory,
                                                         const PythonLayout& layout,
                                                         std::uint64_t address, std::uint32_t check,
                                                         std::uint32_t deaths);

/// The same without a check, from a record that does not change. Without lines when it holds less
/// than all of its line table.
[[nodiscard]] std::optional<CodeObject> read_dead_code_object(const ProcessMemory& memory,
                                                              const PythonLayout& layout,
                                                              std::uint64_t address);

/// The checksum as python_code_check of bpf/python/frames.bpf.h makes it.
[[nodiscard]] std::optional<std::uint32_t> code_checksum(const ProcessMemory& memory,
                                                         const PythonLayout& layout,
                                                         std::uint64_t address,
                                                         std::uint32_t deaths);

/// A str object as UTF-8; nothing when it is no string of at most 4,096 characters.
[[nodiscard]] std::optional<std::string>
read_string(const ProcessMemory& memory, const PythonLayout& layout, std::uint64_t address);

} // namespace leakbpf
