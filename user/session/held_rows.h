// SPDX-License-Identifier: Apache-2.0
// Rows of containers that grow, for a report.
#pragma once

#include "core/pattern.h"
#include "core/report.h"
#include "core/suppressions.h"
#include "core/verdict.h"
#include "held/held_watch.h"
#include "symbol/source_lines.h"

#include <optional>
#include <vector>

namespace leakbpf {

/// Takes out those that a rule suppresses, which are counted, and those that the filter does not
/// let through. Returns how fast the suppressed ones grow: bytes a second, as Trend::projected.
double take_out(std::vector<HeldFinding>& findings, const Suppressions& rules,
                const std::optional<Pattern>& filter, Suppressed& suppressed);

/// Takes out what is not worth a row, when the memory of the target grows by `memory_rate` bytes a
/// second and others account for `known_rate` of it. Where much grows that nobody accounts for, a
/// container of the application's that grows is the best answer there is: what it holds may hold
/// native memory.
void drop_small(std::vector<HeldFinding>& findings, double memory_rate, double known_rate);

/// What they say of their target.
[[nodiscard]] SureGrowth sure_growth(const std::vector<HeldFinding>& findings);

/// Adds rows of the target `index` of the report.
void add_held_rows(Report& report, std::size_t index, std::vector<HeldFinding> findings,
                   SourceLines& sources);

} // namespace leakbpf
