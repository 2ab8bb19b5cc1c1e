// SPDX-License-Identifier: Apache-2.0
#include "session/holder_rows.h"

#include "core/held_grouping.h"
#include "core/python_file.h"
#include "core/ranking.h"
#include "session/held_rows.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace leakbpf {

namespace {

HeldLine proven_line(const Frame& frame, bool calls) {
  return {frame.file, frame.line, frame.function, "", LineEvidence::stack, calls};
}

/// What was proven leaves no doubt about others in the same file's place.
void put_line_first(std::vector<HeldLine>& lines, HeldLine line) {
  std::erase_if(lines, [&](const HeldLine& other) {
    return (other.file == line.file && other.line == line.line) ||
           (line.calls && other.calls && other.evidence != LineEvidence::stack);
  });
  lines.insert(lines.begin(), std::move(line));
}

} // namespace

/// The lines of Python code that took a block, the innermost first; none when it is not followed.
Frames HolderRows::python_lines_at(const TargetState& target, std::uint64_t block) {
  Frames lines;
  const auto found = of_.blocks.block_at({block, target.id, LEAKBPF_KIND_HEAP});
  if (!found)
    return lines;
  const SiteKey place = of_.locator.by_place({target.id, LEAKBPF_KIND_HEAP, found->stack_hash});
  const LocatedStack* const stack = of_.stacks.find(place.stack_hash);
  if (!stack)
    return lines;
  const Frames frames = of_.namer.name(*stack);
  std::copy_if(frames.begin(), frames.end(), std::back_inserter(lines), [](const Frame& frame) {
    return frame.kind == FrameKind::python && !frame.file.empty();
  });
  return lines;
}

/// A table that grew since we attached was made larger by the line in its block's stack. Where that
/// is a library's, the line of the application that called it is the one to be looked at first.
void HolderRows::prove_lines(const TargetState& target, HeldFinding& finding) {
  HeldReport& row = finding.row;
  for (const std::uint64_t table : finding.tables) {
    const Frames lines = python_lines_at(target, table);
    if (lines.empty())
      continue;
    const auto caller = std::find_if(lines.begin(), lines.end(), [](const Frame& frame) {
      return owner_of(frame.file) == PythonOwner::application;
    });
    put_line_first(row.lines, proven_line(lines.front(), false));
    if (caller != lines.end() && caller != lines.begin())
      put_line_first(row.lines, proven_line(*caller, true));
    row.no_line.clear();
    return;
  }
}

void HolderRows::find(Suppressed& suppressed) {
  found_.clear();
  for (const std::uint32_t id : of_.watches.targets()) {
    std::vector<HeldFinding> found = of_.watches.findings(id);
    const TargetState* target = of_.targets.find(id);
    for (HeldFinding& finding : found)
      if (target)
        prove_lines(*target, finding);
    // Their blocks may be of suppressed stacks, too.
    const double hidden = take_out(found, of_.options.suppressions, of_.options.filter, suppressed);
    if (hidden > 0)
      of_.judge.suppress_at_least(id, hidden);
    const auto memory =
        target ? of_.growth.target_trend(id, TargetSeries::memory, target->since) : std::nullopt;
    drop_small(found, memory && memory->sustained() ? memory->rate : 0, sites_rate(id));
    if (!found.empty())
      found_[id] = std::move(found);
  }
}

/// Bytes a second that the sites of a target surely grow.
double HolderRows::sites_rate(std::uint32_t id) const {
  double rate = 0;
  for (const auto& [key, site] : of_.ledger.sites())
    if (key.target == id && key.kind != LEAKBPF_KIND_PYTHON && site.trend &&
        site.trend->sustained())
      rate += site.trend->rate;
  return rate;
}

/// What containers say of their targets.
void HolderRows::weigh() {
  for (const auto& [id, findings] : found_)
    of_.judge.weigh_held(id, sure_growth(findings));
  for (const std::uint32_t id : of_.watches.targets())
    if (std::string problem = of_.watches.problem(id); !problem.empty() && of_.targets.find(id))
      of_.judge.note_unread(id, std::move(problem));
}

/// Of targets whose growth is containers' growth, where pools were begun comes last.
void HolderRows::put_behind(const Report& report, std::vector<SiteReport>& sites,
                            const TargetIndex& index) const {
  for (const auto& [id, findings] : found_) {
    double held = 0;
    for (const HeldFinding& finding : findings)
      held += finding.rate * 60;
    const auto target = index.find(id);
    if (target == index.end() || !explains_growth(held, report.targets[target->second]))
      continue;
    for (SiteReport& site : sites)
      site.behind |= site.key.target == id && site.key.kind == LEAKBPF_KIND_PYTHON;
  }
}

void HolderRows::add(Report& report, const TargetIndex& index) {
  for (auto& [id, findings] : std::exchange(found_, {}))
    if (const auto target = index.find(id); target != index.end())
      add_held_rows(report, target->second, std::move(findings), of_.labels.sources());
  arrange_held(report, of_.options.group_by);
}

} // namespace leakbpf
