// SPDX-License-Identifier: Apache-2.0
#include "core/one_ladder.h"

#include <catch2/catch_test_macros.hpp>

using namespace leakbpf;

namespace {

Report ladder_report(std::vector<std::optional<Severity>> targets) {
  Report report;
  for (const auto& severity : targets)
    report.targets.emplace_back().verdict.severity = severity;
  return report;
}

SiteReport row(std::size_t target, std::optional<Severity> severity, std::size_t processes = 1) {
  SiteReport site;
  site.target = target;
  site.processes = processes;
  site.verdict.severity = severity;
  return site;
}

} // namespace

TEST_CASE("no row is worse than its process, and says so", "[ladder]") {
  Report report = ladder_report({Severity::low, Severity::critical});
  report.sites = {row(0, Severity::critical), row(1, Severity::critical), row(0, Severity::low),
                  row(0, std::nullopt), row(0, Severity::critical, 2)};
  report.held.emplace_back().verdict.severity = Severity::high;
  grade_by_targets(report);
  CHECK(report.sites[0].verdict ==
        Verdict{Severity::low, {"lowered from critical to low: the process as a whole is low"}});
  CHECK(report.sites[1].verdict == Verdict{Severity::critical, {}});
  CHECK(report.sites[2].verdict == Verdict{Severity::low, {}});
  CHECK(report.sites[3].verdict == Verdict{});
  CHECK(report.sites[4].verdict.severity == Severity::critical); // it is of the other, too
  CHECK(report.held[0].verdict.severity == Severity::low);
  const Report once = report;
  grade_by_targets(report);
  CHECK(report.sites[0].verdict == once.sites[0].verdict);
}

TEST_CASE("a process that is not judged grades nothing", "[ladder]") {
  Report report = ladder_report({std::nullopt});
  report.sites = {row(0, Severity::high)};
  grade_by_targets(report);
  CHECK(report.sites[0].verdict == Verdict{Severity::high, {}});
}
