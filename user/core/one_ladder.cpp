// SPDX-License-Identifier: Apache-2.0
#include "core/one_ladder.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// Unknown where none is judged yet.
std::optional<Severity> worst_of(const std::vector<TargetReport>& targets) {
  std::optional<Severity> worst;
  for (const TargetReport& target : targets)
    worst = std::max(worst, target.verdict.severity);
  return worst;
}

void grade(Verdict& verdict, std::optional<Severity> most) {
  if (!most || !verdict.severity || *verdict.severity <= *most)
    return;
  std::string reason =
      fmt::format("graded down from {} to {}: as a whole, the process is {}",
                  severity_name(*verdict.severity), severity_name(*most), severity_name(*most));
  verdict.severity = most;
  std::vector<std::string>& reasons = verdict.reasons;
  if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end())
    reasons.push_back(std::move(reason));
}

/// Of a row of so many processes, in which this target is the first.
std::optional<Severity> most_severe(const Report& report, std::size_t processes,
                                    std::size_t target) {
  return processes > 1 || target >= report.targets.size() ? worst_of(report.targets)
                                                          : report.targets[target].verdict.severity;
}

} // namespace

void grade_by_targets(Report& report) {
  for (SiteReport& site : report.sites)
    grade_by_target(site, report);
  for (HeldReport& held : report.held)
    grade(held.verdict, most_severe(report, held.processes, held.target));
}

void grade_by_target(SiteReport& site, const Report& report) {
  grade(site.verdict, most_severe(report, site.processes, site.target));
}

} // namespace leakbpf
