// SPDX-License-Identifier: Apache-2.0
// Containers that grow, in a Tracer's reports: what is read of them, joined with what probes saw.
#include "core/held_grouping.h"
#include "core/python_file.h"
#include "core/ranking.h"
#include "session/held_rows.h"
#include "session/tracer.h"

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

void Tracer::watch_containers(const TargetState& target) {
  if (options_.held && target.python.process && !holders_.has(target.id))
    holders_.add(proc_, target.id, target.process.pid, *target.python.process);
}

/// The lines of Python code that took a block, the innermost first; none when it is not followed.
Frames Tracer::python_lines_at(const TargetState& target, std::uint64_t block) {
  Frames lines;
  const auto found = kernel_.block_at({block, target.id, LEAKBPF_KIND_HEAP});
  if (!found)
    return lines;
  const SiteKey place = by_place({target.id, LEAKBPF_KIND_HEAP, found->stack_hash});
  const auto stack = stacks_.find(place.stack_hash);
  if (stack == stacks_.end())
    return lines;
  const Frames frames = namer_.name(stack->second);
  std::copy_if(frames.begin(), frames.end(), std::back_inserter(lines), [](const Frame& frame) {
    return frame.kind == FrameKind::python && !frame.file.empty();
  });
  return lines;
}

/// A table that grew since we attached was made larger by the line in its block's stack. Where that
/// is a library's, the line of the application that called it is the one to be looked at first.
void Tracer::prove_lines(const TargetState& target, HeldFinding& finding) {
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

void Tracer::find_holders(Suppressed& suppressed) {
  found_holders_.clear();
  for (const std::uint32_t id : holders_.targets()) {
    std::vector<HeldFinding> found = holders_.findings(id);
    const TargetState* target = find_target(id);
    for (HeldFinding& finding : found)
      if (target)
        prove_lines(*target, finding);
    // Their blocks may be of suppressed stacks, too.
    const double hidden = take_out(found, options_.suppressions, options_.filter, suppressed);
    if (hidden > 0)
      suppressed_rates_[id] = std::max(suppressed_rates_[id], hidden);
    const auto memory =
        target ? growth_.target_trend(id, TargetSeries::memory, target->since) : std::nullopt;
    drop_small(found, memory && memory->sustained() ? memory->rate : 0, sites_rate(id));
    if (!found.empty())
      found_holders_[id] = std::move(found);
  }
}

/// Bytes a second that the sites of a target surely grow.
double Tracer::sites_rate(std::uint32_t id) const {
  double rate = 0;
  for (const auto& [key, site] : sites_)
    if (key.target == id && key.kind != LEAKBPF_KIND_PYTHON && site.trend &&
        site.trend->sustained())
      rate += site.trend->rate;
  return rate;
}

/// What containers say of their targets.
void Tracer::weigh_holders() {
  for (const auto& [id, findings] : found_holders_)
    evidence_[id].held = sure_growth(findings);
  for (const std::uint32_t id : holders_.targets())
    if (std::string problem = holders_.problem(id); !problem.empty() && find_target(id))
      evidence_[id].no_held = std::move(problem);
}

/// Of targets whose growth is containers' growth, where pools were begun comes last.
void Tracer::put_behind(const Report& report, std::vector<SiteReport>& sites,
                        const TargetIndex& index) const {
  for (const auto& [id, findings] : found_holders_) {
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

void Tracer::add_holders(Report& report, const TargetIndex& index) {
  for (auto& [id, findings] : std::exchange(found_holders_, {}))
    if (const auto target = index.find(id); target != index.end())
      add_held_rows(report, target->second, std::move(findings), sources_);
  arrange_held(report, options_.group_by);
}

} // namespace leakbpf
