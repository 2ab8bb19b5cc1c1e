// SPDX-License-Identifier: Apache-2.0
#include "session/held_rows.h"

#include "core/ranking.h"
#include "core/suppress.h"
#include "core/units.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

double take_out(std::vector<HeldFinding>& findings, const Suppressions& rules,
                const std::optional<Pattern>& filter, Suppressed& suppressed) {
  double rate = 0;
  std::erase_if(findings, [&](const HeldFinding& finding) {
    const Frames frames = held_frames(finding.row);
    const Suppression* rule = rules.match(frames);
    if (rule) {
      count_suppressed(suppressed, *rule);
      rate += finding.projected;
    }
    return rule || (filter && !stack_matches(frames, *filter));
  });
  return rate;
}

void drop_small(std::vector<HeldFinding>& findings, double memory_rate, double known_rate) {
  constexpr double least_rise = 16.0 * 1024;
  constexpr double least_share = 0.25;
  constexpr double least_rate = 64.0 * 1024 / 60; // of memory that is worth an explanation
  double held = 0;
  for (const HeldFinding& finding : findings)
    held += finding.rate;
  const bool unexplained =
      memory_rate >= least_rate && std::max(held, known_rate) < least_share * memory_rate;
  std::erase_if(findings, [&](HeldFinding& finding) {
    const double entries = finding.row.entries_per_minute.value_or(0);
    const bool best = unexplained && finding.owner == PythonOwner::application && entries > 0;
    if (best)
      finding.row.note = fmt::format("the process grows by {} per new entry: they may hold native "
                                     "memory, which is not counted here",
                                     format_bytes(memory_rate * 60 / entries));
    return finding.rise < least_rise && !best;
  });
}

SureGrowth sure_growth(const std::vector<HeldFinding>& findings) {
  constexpr double surely_growing = 0.5; // a score
  SureGrowth growth;
  for (const HeldFinding& finding : findings)
    if (finding.row.score.value_or(0) >= surely_growing) {
      growth.rate += finding.rate;
      growth.projected += finding.projected;
    }
  return growth;
}

void add_held_rows(Report& report, std::size_t index, std::vector<HeldFinding> findings,
                   SourceLines& sources) {
  for (HeldFinding& finding : findings) {
    HeldReport& row = report.held.emplace_back(std::move(finding.row));
    row.target = index;
    // What is part of a target is no worse than it.
    if (const auto& whole = report.targets[index].verdict.severity)
      row.verdict.severity = std::min(row.verdict.severity.value_or(Severity::none), *whole);
    for (HeldLine& line : row.lines)
      line.text = sources.text(row.pid, line.file, line.line);
  }
}

} // namespace leakbpf
