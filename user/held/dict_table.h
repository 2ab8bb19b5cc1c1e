// SPDX-License-Identifier: Apache-2.0
// The entries of a live dict, read from outside. Its table may move between two reads, so nothing
// of it is believed that does not agree with the dict before and after (PyDictKeysObject of
// Objects/dictobject.c, Objects/dict-common.h, Include/internal/pycore_dict.h).
#pragma once

#include "base/process_memory.h"
#include "held/object_layout.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace leakbpf {

struct DictTable {
  std::uint64_t keys = 0;       ///< address of the table
  std::uint64_t values = 0;     ///< of an array of values beside it; 0: they are in the table
  std::uint64_t used = 0;       ///< entries that live
  std::uint64_t slots_used = 0; ///< entries made since the table was; dead ones count
  std::uint64_t entries_at = 0; ///< address of the first
  std::uint32_t entry_bytes = 0;
  std::uint32_t key_at = 0; ///< in an entry; its value is behind it
  std::uint64_t bytes = 0;  ///< of the whole table

  friend bool operator==(const DictTable&, const DictTable&) = default;
};

struct DictEntry {
  std::uint64_t key = 0;
  std::uint64_t value = 0;
  std::uint64_t slot = 0; ///< its number in the order in which they were made
};

/// Of a dict, or an object of a class made from it. Nothing when it is torn or makes no sense.
[[nodiscard]] std::optional<DictTable>
read_dict_table(const ProcessMemory& memory, const ObjectLayout& layout, std::uint64_t dict);
/// Of keys that objects of one class share; their values are in each object.
[[nodiscard]] std::optional<DictTable> read_shared_keys(const ProcessMemory& memory,
                                                        const ObjectLayout& layout,
                                                        std::uint64_t keys, std::uint64_t values);

/// Living entries of the slots [first, first + most), in order.
[[nodiscard]] std::vector<DictEntry> read_dict_entries(const ProcessMemory& memory,
                                                       const DictTable& table, std::uint64_t first,
                                                       std::uint64_t most);

} // namespace leakbpf
