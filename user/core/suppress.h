// SPDX-License-Identifier: Apache-2.0
// Takes known sites out of a report.
#pragma once

#include "core/report.h"
#include "core/suppressions.h"

namespace leakbpf {

/// Counts a site that `rule` hides.
void count_suppressed(Suppressed& suppressed, const Suppression& rule, const SiteTotals& totals);

/// Adds what was counted elsewhere.
/// Of a row of a container: its bytes are those of sites.
void count_suppressed(Suppressed& suppressed, const Suppression& rule);

void add_suppressed(Suppressed& suppressed, const Suppressed& more);

/// Removes the sites whose stacks are suppressed, closes the gaps in their ranks, and adds what was
/// removed to Report::suppressed, rules with most bytes first. A built-in rule keeps a site that
/// grows: that is no one-time allocation. Totals and verdicts of targets stay what they are.
void apply_suppressions(Report& report, const Suppressions& suppressions);

} // namespace leakbpf
