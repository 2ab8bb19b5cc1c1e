// SPDX-License-Identifier: Apache-2.0
#include "held/dict_table.h"

#include "base/field.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace leakbpf {

namespace {

constexpr unsigned most_log2_size = 40;
constexpr std::uint32_t plain_entry_bytes = 24; ///< hash, key, value
constexpr std::uint32_t text_entry_bytes = 16;  ///< key, value

/// Up to 3.10: dk_refcnt, dk_size, dk_lookup, dk_usable, dk_nentries, then the indices.
bool take_long_header(const std::array<std::uint8_t, 40>& header, DictTable& table) {
  const auto size = field<std::uint64_t>(header, 8);
  const auto usable = field<std::uint64_t>(header, 24);
  table.slots_used = field<std::uint64_t>(header, 32);
  if (size == 0 || size > 1ULL << most_log2_size || (size & (size - 1)) != 0 || usable > size ||
      table.slots_used > size || usable + table.slots_used > size * 2 / 3 + 1)
    return false;
  const std::uint64_t index_bytes = size <= 0xff         ? 1
                                    : size <= 0xffff     ? 2
                                    : size <= 0xffffffff ? 4
                                                         : 8;
  table.entries_at = table.keys + 40 + size * index_bytes;
  table.entry_bytes = plain_entry_bytes;
  table.key_at = 8;
  table.bytes = 40 + size * index_bytes + (size * 2 / 3) * table.entry_bytes;
  return true;
}

/// From 3.11 on: dk_refcnt, three bytes, dk_version, dk_usable, dk_nentries, then the indices.
bool take_short_header(const std::array<std::uint8_t, 40>& header, DictTable& table) {
  const unsigned log2_size = header[8];
  const unsigned log2_index_bytes = header[9];
  const unsigned kind = header[10];
  const auto usable = field<std::uint64_t>(header, 16);
  table.slots_used = field<std::uint64_t>(header, 24);
  constexpr unsigned kinds = 3; // general, text keys, shared
  if (log2_size >= most_log2_size || log2_index_bytes < log2_size ||
      log2_index_bytes > log2_size + 3 || kind >= kinds)
    return false;
  const std::uint64_t size = 1ULL << log2_size;
  if (usable > size || table.slots_used > size || usable + table.slots_used > size * 2 / 3 + 1)
    return false;
  table.entries_at = table.keys + 32 + (1ULL << log2_index_bytes);
  table.entry_bytes = kind == 0 ? plain_entry_bytes : text_entry_bytes;
  table.key_at = kind == 0 ? 8 : 0;
  table.bytes = 32 + (1ULL << log2_index_bytes) + (size * 2 / 3) * table.entry_bytes;
  return true;
}

bool take_keys(const ProcessMemory& memory, const ObjectLayout& layout, DictTable& table) {
  std::array<std::uint8_t, 40> header{};
  if (table.keys % 8 != 0 || !memory.read(table.keys, header.data(), header.size()))
    return false;
  return layout.logarithmic_keys ? take_short_header(header, table)
                                 : take_long_header(header, table);
}

/// Where an array of values begins: from 3.13 on a header stands before them.
std::uint64_t first_value(const ObjectLayout& layout, std::uint64_t values) {
  return values == 0 || layout.version < PythonVersion{3, 13} ? values : values + 8;
}

} // namespace

std::optional<DictTable> read_dict_table(const ProcessMemory& memory, const ObjectLayout& layout,
                                         std::uint64_t dict) {
  constexpr int most_tries = 3;
  using Head = std::array<std::uint64_t, 6>;
  for (int tries = 0; tries < most_tries; tries++) {
    Head before{};
    Head after{};
    if (!memory.read(dict, before.data(), sizeof(before)))
      return std::nullopt;
    DictTable table;
    table.used = before[object_at::dict_used / 8];
    table.keys = before[object_at::dict_keys / 8];
    table.values = first_value(layout, before[object_at::dict_values / 8]);
    const bool good = take_keys(memory, layout, table);
    if (!memory.read(dict, after.data(), sizeof(after)))
      return std::nullopt;
    // What was added or removed in between changes the numbers by little; a table that moved is
    // another.
    if (good && before[object_at::dict_keys / 8] == after[object_at::dict_keys / 8] &&
        before[object_at::dict_values / 8] == after[object_at::dict_values / 8] &&
        std::min(table.used, after[object_at::dict_used / 8]) <= table.slots_used)
      return table;
  }
  return std::nullopt;
}

std::optional<DictTable> read_shared_keys(const ProcessMemory& memory, const ObjectLayout& layout,
                                          std::uint64_t keys, std::uint64_t values) {
  DictTable table;
  table.keys = keys;
  table.values = values;
  if (!take_keys(memory, layout, table))
    return std::nullopt;
  table.used = table.slots_used;
  return table;
}

std::vector<DictEntry> read_dict_entries(const ProcessMemory& memory, const DictTable& table,
                                         std::uint64_t first, std::uint64_t most) {
  std::vector<DictEntry> entries;
  if (first >= table.slots_used)
    return entries;
  const std::size_t count = std::min(most, table.slots_used - first);
  std::vector<std::uint8_t> bytes(count * table.entry_bytes);
  std::vector<std::uint64_t> values(table.values != 0 ? count : 0);
  if (!memory.read(table.entries_at + first * table.entry_bytes, bytes.data(), bytes.size()) ||
      (!values.empty() && !memory.read(table.values + first * sizeof(values[0]), values.data(),
                                       count * sizeof(values[0]))))
    return entries;
  for (std::size_t i = 0; i < count; i++) {
    DictEntry entry;
    entry.slot = first + i;
    std::memcpy(&entry.key, &bytes[i * table.entry_bytes + table.key_at], sizeof(entry.key));
    std::memcpy(&entry.value, &bytes[i * table.entry_bytes + table.key_at + 8],
                sizeof(entry.value));
    if (!values.empty())
      entry.value = values[i];
    if (entry.key != 0 && entry.value != 0)
      entries.push_back(entry);
  }
  return entries;
}

} // namespace leakbpf
