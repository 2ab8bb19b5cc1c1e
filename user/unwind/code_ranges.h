// SPDX-License-Identifier: Apache-2.0
// Puts the rows of many functions, from several sources, into one list.
#pragma once

#include "unwind/unwind_table.h"

#include <cstdint>
#include <span>
#include <vector>

namespace leakbpf {

/// File offsets [begin, end), with rows in a vector that is common to many of these: there, from
/// `first_row` on, `row_count` ones with ascending offsets, of which the first holds from `begin`
/// on, whatever its offset.
struct CodeRange {
  std::uint32_t begin = 0, end = 0;
  std::uint32_t first_row = 0, row_count = 0;
};

/// Sorts, and ends each range where the next one begins; of those that begin at the same place the
/// first stays. It is how .eh_frame_hdr is searched, too.
void sort_and_separate(std::vector<CodeRange>& ranges);

/// All of `upper`, and what they leave free of `lower`. Both are sorted and separate.
[[nodiscard]] std::vector<CodeRange> fill_gaps(std::span<const CodeRange> upper,
                                               std::span<const CodeRange> lower);

/// The list for sorted, separate ranges: gaps are rows of rule 0, except for those short enough to
/// be padding, which belong to the range before. Neighbours with the same rule are one row.
[[nodiscard]] std::vector<UnwindRow> flatten(std::span<const CodeRange> ranges,
                                             std::span<const UnwindRow> rows);

} // namespace leakbpf
