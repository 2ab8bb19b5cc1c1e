// SPDX-License-Identifier: Apache-2.0
// The functions of an ELF file's symbol tables, searched by address.
#pragma once

#include "elf/elf_file.h"
#include "symbol/interval_index.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace leakbpf {

/// A symbol that covers an address.
struct CoveringSymbol {
  std::string name; ///< as in the table, without its version; not demangled
  std::uint64_t low = 0;
  bool exported = false; ///< global or weak
};

/// Names point into the files given to `add`, which must outlive the table.
/// .gnu_debugdata (an xz-compressed ELF with symbols) is not read: it would need liblzma.
class SymbolTable {
public:
  /// Takes .symtab and .dynsym of `file`.
  void add(const ElfFile& file);
  /// To be called once, after the last `add`.
  void seal();
  /// The best name for `address`: never the nearest symbol before it, only one that covers it.
  [[nodiscard]] std::optional<CoveringSymbol> find(std::uint64_t address) const;

private:
  struct Symbol {
    const char* name;
    std::uint8_t binding; ///< STB_*
  };
  /// A symbol without a size, and any symbol that could bound one.
  struct Mark {
    const Elf* file; ///< section numbers only compare within one file
    std::size_t section;
    std::uint64_t address;
    Symbol symbol;
    bool unsized_function;
  };

  void add_table(const ElfFile& file, Elf_Scn* section, const GElf_Shdr& header,
                 const std::vector<bool>& executable);
  void bound_unsized();
  static bool better(const Symbol& a, const Symbol& b);

  IntervalIndex<Symbol> sized_;
  IntervalIndex<Symbol> unsized_;
  std::vector<Mark> marks_;
};

} // namespace leakbpf
