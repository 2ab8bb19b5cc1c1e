// SPDX-License-Identifier: Apache-2.0
// Splits .eh_frame and .debug_frame into their entries: a CIE says what its FDEs have in common, an
// FDE describes one function (Linux Standard Base, "Exception Frames"; DWARF 5, section 6.4.1).
#pragma once

#include "unwind/byte_cursor.h"
#include "unwind/cfi_program.h"
#include "unwind/cfi_section.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace leakbpf {

/// A frame description entry (FDE).
struct Fde {
  const Cie* cie = nullptr;
  std::uint64_t address = 0; ///< virtual; of the first instruction. 0: the function was dropped
  std::uint64_t size = 0;    ///< in bytes; never past the end of the address space
  ByteCursor instructions;
};

/// Gives the FDEs of a section in the order they stand there.
class CfiReader {
public:
  /// Reads all CIEs. `section` outlives the reader.
  explicit CfiReader(const CfiSection& section);

  /// The next FDE that can be read; nothing when there is none left.
  [[nodiscard]] std::optional<Fde> next();

  /// FDEs passed over so far: damaged, or of a damaged CIE.
  [[nodiscard]] std::uint64_t damaged() const { return damaged_; }
  /// Bytes at the end that are no entries, because one is longer than the section.
  [[nodiscard]] std::uint64_t unreadable_bytes() const { return unreadable_bytes_; }

private:
  struct Entry {
    std::size_t start = 0; ///< offset of the entry
    std::size_t cie = 0;   ///< offset of the FDE's CIE; of a CIE, its own
    ByteCursor body;       ///< behind the CIE's id, or the FDE's pointer to its CIE
    bool is_cie = false;
    bool readable = false;
  };
  struct PlacedCie {
    std::size_t start;
    Cie cie;
  };

  std::optional<Entry> next_entry();
  void read_id(Entry& entry, ByteCursor entry_bytes, bool is_64_bit) const;
  [[nodiscard]] Cie read_cie(ByteCursor body) const;
  bool read_augmentation(Cie& cie, const char* letters, ByteCursor& body) const;
  bool read_augmentation_letter(Cie& cie, char letter, ByteCursor& data) const;
  [[nodiscard]] const Cie* find_cie(std::size_t start);
  [[nodiscard]] std::optional<Fde> read_fde(const Entry& entry);

  const CfiSection& section_;
  ByteCursor cursor_;
  std::vector<PlacedCie> cies_; ///< ascending by `start`
  std::size_t last_cie_ = 0;
  std::uint64_t damaged_ = 0;
  std::uint64_t unreadable_bytes_ = 0;
};

} // namespace leakbpf
