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
      fmt::format("lowered from {} to {}: the process as a whole is {}",
                  severity_name(*verdict.severity), severity_name(*most), severity_name(*most));
  verdict.severity = most;
  std::vector<std::string>& reasons = verdict.reasons;
  if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end())
    reasons.push_back(std::move(reason));
}

/// Of a row of several processes none alone tells.
bool is_of_one(const Report& report, std::size_t processes, std::size_t target) {
  return processes <= 1 && target < report.targets.size();
}

} // namespace

void grade_by_targets(Report& report) {
  const std::optional<Severity> worst = worst_of(report.targets);
  const auto most = [&](std::size_t processes, std::size_t target) {
    return is_of_one(report, processes, target) ? report.targets[target].verdict.severity : worst;
  };
  for (SiteReport& site : report.sites)
    grade(site.verdict, most(site.processes, site.target));
  for (HeldReport& held : report.held)
    grade(held.verdict, most(held.processes, held.target));
}

void grade_by_target(SiteReport& site, const Report& report) {
  grade(site.verdict, is_of_one(report, site.processes, site.target)
                          ? report.targets[site.target].verdict.severity
                          : worst_of(report.targets));
}

} // namespace leakbpf
