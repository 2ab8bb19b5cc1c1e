// SPDX-License-Identifier: Apache-2.0
#include "unwind/table_file.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>

#include <zlib.h>

namespace leakbpf {

namespace {

// Then follow the rules, the offsets of all rows, and their rule numbers.
struct Header {
  std::array<char, 8> magic;
  std::uint32_t checksum;
  std::uint32_t version;
  std::uint32_t rule_count;
  std::uint32_t row_count;
  std::uint64_t layout;
  UnwindTableStats stats;
};
static_assert(offsetof(Header, checksum) == table_checksum_offset);
static_assert(offsetof(Header, version) == table_checksum_end);
static_assert(std::is_trivially_copyable_v<Header>);
static_assert(sizeof(Header) == 32 + sizeof(UnwindTableStats), "no padding");
static_assert(sizeof(UnwindTableStats) == (5 + 2 * unsupported_count) * 8, "no padding");

constexpr std::array<char, 8> magic = {'l', 'e', 'a', 'k', 'b', 'p', 'f', 'U'};
constexpr std::size_t row_size = sizeof(std::uint32_t) + sizeof(std::uint16_t);

std::uint32_t checksum(const void* bytes, std::size_t size) {
  const auto* begin = static_cast<const Bytef*>(bytes) + table_checksum_end;
  return static_cast<std::uint32_t>(crc32_z(0, begin, size - table_checksum_end));
}

bool is_valid(const leakbpf_unwind_rule& rule) {
  const bool register_known = rule.cfa_register < LEAKBPF_REGISTER_COUNT;
  const bool return_known = rule.return_register < LEAKBPF_REGISTER_COUNT ||
                            rule.return_register == LEAKBPF_RETURN_IN_MEMORY;
  constexpr int fp_end = int{LEAKBPF_SAVED_FP_MOVED} + int{LEAKBPF_REGISTER_COUNT};
  const bool fp_known = rule.saved_fp <= LEAKBPF_SAVED_FP_UNKNOWN ||
                        (rule.saved_fp >= LEAKBPF_SAVED_FP_REGISTER && rule.saved_fp < fp_end);
  return rule.cfa <= LEAKBPF_CFA_UNSUPPORTED && register_known && return_known && fp_known;
}

bool is_valid(const UnwindTable& table) {
  constexpr leakbpf_unwind_rule none{};
  if (table.rules.empty() || std::memcmp(table.rules.data(), &none, sizeof none) != 0 ||
      !std::all_of(table.rules.begin(), table.rules.end(),
                   [](const leakbpf_unwind_rule& rule) { return is_valid(rule); }))
    return false;
  const auto not_ascending = [](const UnwindRow& a, const UnwindRow& b) {
    return a.offset >= b.offset;
  };
  const bool rules_known =
      std::all_of(table.rows.begin(), table.rows.end(),
                  [&](const UnwindRow& row) { return row.rule < table.rules.size(); });
  return rules_known &&
         std::adjacent_find(table.rows.begin(), table.rows.end(), not_ascending) ==
             table.rows.end() &&
         (table.rows.empty() ||
          (table.rows.back().rule == 0 && table.rows.back().offset <= unwind_offset_limit));
}

template <class T> const std::uint8_t* copy(T* to, std::size_t count, const std::uint8_t* from) {
  if (count != 0)
    std::memcpy(to, from, count * sizeof(T));
  return from + count * sizeof(T);
}

} // namespace

std::string serialize(const UnwindTable& table, std::uint64_t layout) {
  Header header{magic,
                0,
                unwind_table_version,
                static_cast<std::uint32_t>(table.rules.size()),
                static_cast<std::uint32_t>(table.rows.size()),
                layout,
                table.stats};
  std::string bytes;
  bytes.reserve(sizeof header + table.rules.size() * sizeof(leakbpf_unwind_rule) +
                table.rows.size() * row_size);
  const auto append = [&](const auto& value) {
    bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  append(header);
  for (const leakbpf_unwind_rule& rule : table.rules)
    append(rule);
  for (const UnwindRow& row : table.rows)
    append(row.offset);
  for (const UnwindRow& row : table.rows)
    append(row.rule);
  header.checksum = checksum(bytes.data(), bytes.size());
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

std::optional<UnwindTable> parse_table(std::span<const std::uint8_t> bytes, std::uint64_t layout) {
  Header header;
  if (bytes.size() < sizeof header || bytes.size() > largest_table_file)
    return std::nullopt;
  const std::uint8_t* rest = copy(&header, 1, bytes.data());
  const std::size_t size = sizeof header +
                           std::size_t{header.rule_count} * sizeof(leakbpf_unwind_rule) +
                           std::size_t{header.row_count} * row_size;
  if (header.magic != magic || header.version != unwind_table_version || header.layout != layout ||
      size != bytes.size() || header.checksum != checksum(bytes.data(), bytes.size()))
    return std::nullopt;
  UnwindTable table;
  table.stats = header.stats;
  table.rules.resize(header.rule_count);
  rest = copy(table.rules.data(), table.rules.size(), rest);
  table.rows.resize(header.row_count);
  for (UnwindRow& row : table.rows)
    rest = copy(&row.offset, 1, rest);
  for (UnwindRow& row : table.rows)
    rest = copy(&row.rule, 1, rest);
  return is_valid(table) ? std::optional(std::move(table)) : std::nullopt;
}

} // namespace leakbpf
