// SPDX-License-Identifier: Apache-2.0
// The unwind table of an ELF file: for each place in its code, how to find the caller's frame.
#pragma once

#include "elf/elf_file.h"

#include <leakbpf/result.h>
#include <leakbpf/unwind_abi.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace leakbpf {

/// File offsets from here on have no rows: a row's offset has 32 bits, and the last two values are
/// left to the end of the last range and to unused keys of the tree.
constexpr std::uint64_t unwind_offset_limit = 0xffff'fffe;

/// From `offset` in the file on, up to the next row's offset, `rule` holds.
struct UnwindRow {
  std::uint32_t offset = 0;
  std::uint16_t rule = 0; ///< index into UnwindTable::rules
  friend bool operator==(const UnwindRow&, const UnwindRow&) = default;
};

/// Why a row says LEAKBPF_CFA_UNSUPPORTED, or is missing.
enum class Unsupported : std::uint8_t {
  cfa_expression,       ///< a DWARF expression of another form than those we know
  cfa_undefined,        ///< no CFA was defined, or one from a register beyond the first 16
  cfa_offset,           ///< an offset of more than 31 bits, or one behind a load of more than 15
  return_address_place, ///< saved at another place than CFA - 8
  return_address_expression, ///< found by a DWARF expression, or a value relative to the CFA
  too_many_rules,            ///< more than a row's 16 bits can tell apart
  too_many_rows,             ///< beyond the most rows of one file; these are missing
  file_offset,               ///< code beyond `unwind_offset_limit`; these are missing
};
constexpr std::size_t unsupported_count = 8;

/// What the case is, in a few words, for the user.
[[nodiscard]] const char* text(Unsupported reason);

struct UnwindTableStats {
  std::uint64_t functions = 0;        ///< frame description entries (FDEs) in use
  std::uint64_t damaged = 0;          ///< FDEs given up, be it for the sake of their CIE
  std::uint64_t unreadable_bytes = 0; ///< of a section whose rest could not be split into entries
  std::uint64_t unknown_fp_rows = 0;  ///< where rbp is lost, but everything else is known
  std::array<std::uint64_t, unsupported_count> rows{};           ///< by enum Unsupported
  std::array<std::uint64_t, unsupported_count> functions_with{}; ///< FDEs with such rows
  double seconds = 0;                                            ///< that it took to build
  friend bool operator==(const UnwindTableStats&, const UnwindTableStats&) = default;
};

struct UnwindTable {
  std::vector<leakbpf_unwind_rule> rules; ///< all different; [0] is the one of LEAKBPF_CFA_NONE
  /// Ascending, neighbours with different rules. The last one is NONE: it ends the last range.
  std::vector<UnwindRow> rows;
  UnwindTableStats stats;

  /// The rule for the instruction at a file offset. Never fails: outside of all ranges it is NONE.
  [[nodiscard]] const leakbpf_unwind_rule& rule_at(std::uint64_t file_offset) const;
};

/// Reads .eh_frame (System V ABI for x86-64; Linux Standard Base, "Exception Frames") and
/// .debug_frame (DWARF 5, section 6.4), and looks for code that signals return to or that starts
/// programs where there is none. A file without any of it gives a table without rows. Fails when it
/// is not 64-bit x86-64 code, or when it is being rewritten. For an image in memory:
/// ElfFile::open_image.
[[nodiscard]] Result<UnwindTable> build_unwind_table(const ElfFile& file);

} // namespace leakbpf
