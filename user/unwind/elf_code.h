// SPDX-License-Identifier: Apache-2.0
// Where an ELF file keeps its code and its call-frame information.
#pragma once

#include "elf/elf_file.h"
#include "unwind/cfi_section.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace leakbpf {

/// The part of an executable PT_LOAD segment that is in the file.
struct CodeSegment {
  std::uint64_t address = 0; ///< virtual
  std::uint64_t offset = 0;  ///< in the file
  std::uint64_t size = 0;
};

/// A section, and its bytes.
struct FoundSection {
  CfiSection section; ///< its bytes are those below, wherever these are moved to
  std::vector<std::uint8_t> bytes;
};

/// Sorted by address; none reaches past the end of the file.
[[nodiscard]] std::vector<CodeSegment> code_segments(const ElfFile& file);

/// Of code at a virtual address; nothing when none is there.
[[nodiscard]] std::optional<std::uint64_t> file_offset_of(const ElfFile& file,
                                                          std::uint64_t address);

/// Found by section header, or through PT_GNU_EH_FRAME where section headers were stripped.
[[nodiscard]] std::optional<FoundSection> find_eh_frame(const ElfFile& file);

/// Inflated if it is compressed with zlib (SHF_COMPRESSED).
[[nodiscard]] std::optional<FoundSection> find_debug_frame(const ElfFile& file);

} // namespace leakbpf
