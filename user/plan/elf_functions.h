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
  /// Other files may call it by this name, or the file is a program: the name means what it says.
  bool own = true;
};

/// A stub in the file through which its code calls a function by name.
struct FunctionStub {
  std::string name;
  std::uint64_t file_offset = 0;
};

struct CodePart {
  std::uint64_t file_offset = 0;
  std::vector<std::uint8_t> code;
};

struct ElfFunctions {
  std::vector<ElfFunction> functions;
  /// Where the functions go whose first instruction is a jump, each with some kilobytes.
  std::vector<CodePart> jump_targets;
  std::vector<FunctionStub> stubs; ///< a stub may be there more than once (find_stubs)
};

/// Whether a name is wanted; the second argument is ElfFunction::own.
using FunctionFilter = std::function<bool(std::string_view, bool)>;

/// The defined functions of `path` whose name passes `wanted`, without versions: from its symbol
/// tables; of a program that was stripped, from what was kept of them elsewhere: a debug file on
/// this machine, below `root` first, or the file's own compressed copy. `name`: what the file is
/// called below `root`.
[[nodiscard]] Result<ElfFunctions> find_functions(const std::string& path, const std::string& name,
                                                  const std::string& root,
                                                  const FunctionFilter& wanted);

/// What the kernel starts to run `path`: the dynamic linker of a program (PT_INTERP), or what a
/// script's first line names. Empty: the program itself, or it cannot be read.
[[nodiscard]] std::string program_interpreter(const std::string& path);

} // namespace leakbpf
