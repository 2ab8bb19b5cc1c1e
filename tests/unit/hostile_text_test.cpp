// SPDX-License-Identifier: Apache-2.0
// Names of others do no harm in any format, on a terminal or in a file.
#include "core/diff.h"
#include "edit_frame.h"
#include "full_report.h"
#include "harmless_text.h"
#include "render/format.h"
#include "render/verdict_text.h"

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

namespace leakbpf {
namespace {

/// Every text that comes from a target, a file or a snapshot.
Report hostile_report() {
  const std::string evil = hostile_text();
  Report report = full_report();
  report.version = report.started_at = report.backend = evil;
  report.host.hostname = report.host.kernel = report.host.arch = evil;
  for (TargetReport& target : report.targets) {
    target.comm = target.command_line = target.executable = target.cgroup = evil;
    target.started_at = evil;
    target.ended = TargetEnd{evil, 3};
    target.limit = MemoryLimit{512 << 20, evil};
    target.container = Container{evil, evil, evil, evil};
    target.verdict.reasons = {evil};
    target.verdict.severity = Severity::high;
    PythonReport& python = target.python.emplace();
    python.version = python.problem = evil;
  }
  while (report.targets.size() < 6) // so many have a row each
    report.targets.push_back(report.targets.front());
  for (SiteReport& site : report.sites) {
    site.source = evil;
    site.verdict = {Severity::high, {evil}};
    for (FrameRef& frame : site.frames)
      edit_frame(frame, [&](Frame& edited) {
        edited.function = edited.module = edited.file = edited.build_id = evil;
      });
  }
  report.suppressed.rules = {{evil, 3, 4}};
  report.suppressed.sites = 3;
  return report;
}

std::string printed(const Report& report, Format format, const TableStyle& style) {
  return render(report, format, style);
}

} // namespace

TEST_CASE("hostile names do no harm in any text format", "[escape]") {
  const Report report = hostile_report();
  REQUIRE_FALSE(harm_in(report.targets.front().comm).empty());
  for (const Format format :
       {Format::table, Format::json, Format::folded, Format::svg, Format::html, Format::speedscope})
    for (const bool color : {false, true})
      for (const std::size_t width : {0, 61, 120}) {
        CAPTURE(format, color, width);
        CHECK(harm_in(printed(report, format, {true, color, width}), color) == "");
      }
  CHECK(harm_in(render_verdict(report)) == "");
}

TEST_CASE("hostile names do no harm in differences", "[escape]") {
  const Report report = hostile_report();
  Report after = report;
  after.sites.front().totals.allocated_bytes += 1 << 24;
  const Diff diff = compare(report, hostile_text(), after, hostile_text());
  for (const Format format : {Format::table, Format::json, Format::folded, Format::svg,
                              Format::html, Format::speedscope}) {
    CAPTURE(format);
    CHECK(harm_in(render(diff, format, {true, true, 100}, 0), true) == "");
  }
}

TEST_CASE("JSON of hostile names means the same names", "[escape][json]") {
  Report report = sample_report();
  const std::string name = "\u202e\u200b\U000e0041größe\x7f\u009b日本";
  report.targets.front().comm = name;
  const std::string text = printed(report, Format::json, {});
  CHECK(harm_in(text) == "");
  CHECK(nlohmann::json::parse(text)["targets"][0]["comm"] == name);
  CHECK(text.find("größe") != std::string::npos); // what is printable stays readable
}

} // namespace leakbpf
