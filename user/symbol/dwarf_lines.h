// SPDX-License-Identifier: Apache-2.0
// Source lines and inlined calls at an address, from the DWARF of one ELF file.
#pragma once

#include "elf/elf_file.h"
#include "symbol/interval_index.h"
#include "symbol/module.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <elfutils/libdw.h>

namespace leakbpf {

/// What DWARF knows of one address.
struct DwarfPlace {
  std::vector<SourceFrame> frames; ///< innermost first; empty when DWARF does not know the place
  /// The outermost frame's name comes from a mangled one, so no symbol can know better.
  bool full_name = false;
  std::uint64_t function_low = 0; ///< start of the outermost function's part with the address
};

/// The compilation units are indexed by their own ranges, not by .debug_aranges: clang leaves that
/// section out, and a program linked from several compilers has it for some units only.
class DwarfLines {
public:
  /// Nothing when `file` has no DWARF, too much of it, or some in another file that is not found.
  /// `file` must outlive the result.
  static std::unique_ptr<DwarfLines> open(const ElfFile& file, const std::string& root);
  [[nodiscard]] DwarfPlace find(std::uint64_t address);
  /// Ends the handles that were not used for some time: libdw keeps all that it was ever asked for,
  /// for glibc alone 10 MB. `find` begins them again. True when there were any.
  bool rest(std::chrono::steady_clock::time_point now);
  /// As ElfFile::unchanged, for the file that `open` found in addition.
  [[nodiscard]] bool unchanged() const { return !alternate_file_ || alternate_file_->unchanged(); }

private:
  struct DwarfEnd {
    void operator()(Dwarf* dwarf) const { dwarf_end(dwarf); }
  };
  using DwarfHandle = std::unique_ptr<Dwarf, DwarfEnd>;
  using Clock = std::chrono::steady_clock;
  /// Functions and units are kept as offsets into .debug_info.
  using DieIndex = IntervalIndex<Dwarf_Off>;

  explicit DwarfLines(const ElfFile& file) : file_(file) {}
  bool begin_handles();
  bool find_alternate(const std::string& root);
  void link_alternate();
  void index_units();
  const DieIndex& functions_of(Dwarf_Off unit_offset, Dwarf_Die& unit);

  const ElfFile& file_;
  // In this order, so that the main handle ends before the alternate one it points to.
  std::optional<ElfFile> alternate_file_;
  // libelf keeps what it has read until its handle ends: these are for DWARF alone, so that it can
  // be let go of.
  ElfHandle alternate_elf_;
  DwarfHandle alternate_;
  ElfHandle elf_;
  DwarfHandle dwarf_;
  Clock::duration begin_time_{}; ///< what it takes to begin the handles and find a first unit
  Clock::time_point used_;
  DieIndex units_;
  std::unordered_map<Dwarf_Off, DieIndex> functions_; ///< by unit; made when a unit is first asked
};

} // namespace leakbpf
