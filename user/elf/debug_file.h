// SPDX-License-Identifier: Apache-2.0
// Finds the separate debug file of an ELF file on this machine; never goes to the network.
#pragma once

#include "elf/elf_file.h"

#include <optional>
#include <string>

namespace leakbpf {

/// The file with the debug information of `main`: by build-id, then by .gnu_debuglink, each below
/// `root` first and then on this machine. A file whose build-id (or, when `main` has none, whose
/// checksum) differs is not taken.
[[nodiscard]] std::optional<ElfFile> find_debug_file(const ElfFile& main, const std::string& root);

/// The file that `dwz` moved shared debug information to. `name` and `build_id` are what
/// .gnu_debugaltlink of `debug` says.
[[nodiscard]] std::optional<ElfFile> find_alternate_file(const ElfFile& debug,
                                                         const std::string& name,
                                                         const std::string& build_id,
                                                         const std::string& root);

} // namespace leakbpf
