// SPDX-License-Identifier: Apache-2.0
#include "unwind/code_ranges.h"

#include <algorithm>
#include <cstddef>

namespace leakbpf {

namespace {

constexpr std::uint32_t most_padding = 15; // functions are aligned to 16 bytes

bool begins_before(const CodeRange& a, const CodeRange& b) {
  return a.begin < b.begin;
}

void append(std::vector<UnwindRow>& list, std::uint32_t offset, std::uint16_t rule) {
  if (list.empty() || list.back().rule != rule)
    list.push_back({offset, rule});
}

void append_rows(std::vector<UnwindRow>& list, const CodeRange& range,
                 std::span<const UnwindRow> rows) {
  const auto own = rows.subspan(range.first_row, range.row_count);
  if (own.empty())
    return;
  // A range that was cut at its beginning starts with the row that holds there.
  auto row = std::upper_bound(
      own.begin() + 1, own.end(), range.begin,
      [](std::uint32_t offset, const UnwindRow& other) { return offset < other.offset; });
  append(list, range.begin, (row - 1)->rule);
  for (; row != own.end() && row->offset < range.end; ++row)
    append(list, row->offset, row->rule);
}

} // namespace

void sort_and_separate(std::vector<CodeRange>& ranges) {
  if (!std::is_sorted(ranges.begin(), ranges.end(), begins_before))
    std::stable_sort(ranges.begin(), ranges.end(), begins_before);
  const auto same_begin = [](const CodeRange& a, const CodeRange& b) { return a.begin == b.begin; };
  ranges.erase(std::unique(ranges.begin(), ranges.end(), same_begin), ranges.end());
  for (std::size_t i = 1; i < ranges.size(); ++i)
    ranges[i - 1].end = std::min(ranges[i - 1].end, ranges[i].begin);
}

std::vector<CodeRange> fill_gaps(std::span<const CodeRange> upper,
                                 std::span<const CodeRange> lower) {
  std::vector<CodeRange> filled;
  filled.reserve(upper.size() + lower.size());
  auto next_upper = upper.begin();
  for (CodeRange rest : lower) {
    while (rest.begin < rest.end) {
      while (next_upper != upper.end() && next_upper->end <= rest.begin)
        filled.push_back(*next_upper++);
      const std::uint32_t free_until =
          next_upper == upper.end() ? rest.end : std::min(next_upper->begin, rest.end);
      if (rest.begin < free_until) {
        CodeRange free = rest;
        free.end = free_until;
        filled.push_back(free);
      }
      if (free_until == rest.end)
        break;
      rest.begin = next_upper->end;
    }
  }
  filled.insert(filled.end(), next_upper, upper.end());
  return filled;
}

std::vector<UnwindRow> flatten(std::span<const CodeRange> ranges, std::span<const UnwindRow> rows) {
  std::vector<UnwindRow> list;
  list.reserve(rows.size() + ranges.size() + 1);
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const CodeRange& range = ranges[i];
    const bool last = i + 1 == ranges.size();
    append_rows(list, range, rows);
    if (last || ranges[i + 1].begin - range.end > most_padding)
      append(list, range.end, 0);
  }
  return list;
}

} // namespace leakbpf
