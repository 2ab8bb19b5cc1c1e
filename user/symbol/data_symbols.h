// SPDX-License-Identifier: Apache-2.0
// Names of variables in an ELF file, by address.
#pragma once

#include "elf/elf_file.h"

#include <cstdint>
#include <string>

namespace leakbpf {

/// The variable that covers `address` (as in the file), demangled; empty when none does. .symtab
/// and .dynsym are searched: a stripped file only knows what it exports.
[[nodiscard]] std::string variable_at(const ElfFile& file, std::uint64_t address);

} // namespace leakbpf
