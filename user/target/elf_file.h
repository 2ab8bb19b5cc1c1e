// SPDX-License-Identifier: Apache-2.0
// Functions that an ELF file defines, with their bytes: what the probe planner needs of it.
#pragma once

#include <leakbpf/result.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace leakbpf {

struct ElfFunction {
  std::string name;
  std::uint64_t file_offset = 0;
  std::vector<std::uint8_t> code;
};

/// The defined functions of `path` whose name passes `wanted`, from .dynsym, and from .symtab too
/// when the file is a program (a static one exports nothing). A name is given without its version.
[[nodiscard]] Result<std::vector<ElfFunction>>
find_functions(const std::string& path, const std::function<bool(std::string_view)>& wanted);

/// What the kernel starts to run `path`: the dynamic linker of a program (PT_INTERP), or what a
/// script's first line names. Empty: the program itself, or it cannot be read.
[[nodiscard]] std::string program_interpreter(const std::string& path);

} // namespace leakbpf
