// SPDX-License-Identifier: Apache-2.0
// One row for a culprit: a line that leaks is reached in many ways, and each of them is a stack.
#pragma once

#include "core/ranking.h"
#include "core/report.h"

#include <cstddef>
#include <vector>

namespace leakbpf {

/// Indices of sites that have process, kind and culprit in common: those of a row by rank, as the
/// rows are by that of their sums. A stack whose culprit is not known stands alone.
[[nodiscard]] std::vector<std::vector<std::size_t>>
stacks_by_culprit(const std::vector<SiteReport>& sites, const SiteOrder& order);

/// The same of sites that are ranked so, in the order in which they stand.
[[nodiscard]] std::vector<std::vector<std::size_t>>
adjacent_culprits(const std::vector<SiteReport>& sites);

/// The sum of the sites that such a row is of, with the stack and the reasons of the one that grows
/// most.
[[nodiscard]] SiteReport culprit_row(const std::vector<SiteReport>& sites,
                                     const std::vector<std::size_t>& indices);

/// One of the sites grows: then their sum does.
[[nodiscard]] bool any_grows(const std::vector<SiteReport>& sites,
                             const std::vector<std::size_t>& indices);

/// Makes the rows of a table from a report of stacks: one a culprit, ranked, `rows` at most
/// (0: all), none worse than its target.
void join_culprits(Report& report, const SiteOrder& order, std::size_t rows);

/// Ranks stacks so that those of a culprit follow each other, the worst culprit first.
void rank_by_culprit(Report& report, const SiteOrder& order);

} // namespace leakbpf
