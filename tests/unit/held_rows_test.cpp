// SPDX-License-Identifier: Apache-2.0
// Rows of containers that grow: in which words, in which order, and what hides them.
#include "core/held_grouping.h"
#include "core/ranking.h"
#include "core/suppress.h"
#include "full_report.h"
#include "megabyte.h"
#include "render/held_text.h"
#include "render/html.h"
#include "render/table.h"
#include "render/verdict_text.h"
#include "sample_report.h"
#include "session/held_rows.h"

#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

HeldFinding finding(const std::string& path, double megabytes_per_minute, PythonOwner owner) {
  HeldFinding found;
  found.row = sample_container();
  found.row.path = path;
  found.row.growth_bytes_per_minute = megabytes_per_minute * megabyte;
  found.rate = found.projected = megabytes_per_minute * megabyte / 60;
  found.rise = found.rate * 60;
  found.row.score = 1;
  found.owner = owner;
  return found;
}

TEST_CASE("a container's row says what grows, where, and what to do", "[held]") {
  const HeldText text = describe_held(sample_container());
  CHECK(text.row == "shop.seen: dict, 8,300 entries (+540/s), of dict{session: str}");
  REQUIRE(text.lines.size() == 2);
  CHECK(text.lines[0] == "filled at remember at srv/shop.py:12: seen[n] = 1 # keep   (the only "
                         "executed line that stores into it)");
  CHECK(text.lines[1] == "fix: bound it");
}

TEST_CASE("lines of a container say how sure they are", "[held]") {
  HeldReport row = sample_container();
  row.lines = {{"/srv/shop.py", 3, "handle", "", LineEvidence::stack, true},
               {"/lib/x/signal.py", 9, "connect", "", LineEvidence::stack, false},
               {"/srv/shop.py", 5, "other", "", LineEvidence::candidate, false}};
  const HeldText text = describe_held(row);
  CHECK_THAT(text.lines[0], ContainsSubstring("filled from handle"));
  CHECK_THAT(text.lines[0], ContainsSubstring("proven by a sampled stack"));
  CHECK_THAT(text.lines[1], ContainsSubstring("in connect"));
  CHECK_THAT(text.lines[2], ContainsSubstring("or at other"));
  row.lines.clear();
  row.no_line = "C code fills it";
  CHECK(describe_held(row).lines[0] == "no line: C code fills it");
}

TEST_CASE("containers that are a good part of the growth lead", "[held]") {
  Report report = sample_report(); // grows by 20 MB/min
  report.held = {sample_container()};
  CHECK(leads(report.held[0], report));
  report.held[0].growth_bytes_per_minute = megabyte;
  report.held[0].verdict.severity = Severity::low;
  CHECK_FALSE(leads(report.held[0], report));
  const std::string table = render_table(report, {});
  CHECK(table.find("shop.seen") > table.find("Cart::add"));
  report.held[0] = sample_container();
  const std::string led = render_table(report, {});
  CHECK(led.find("shop.seen") < led.find("Cart::add"));
  CHECK_THAT(render_verdict(report), ContainsSubstring("filled at remember"));
  CHECK_THAT(render_html(report), ContainsSubstring("Growing containers"));
}

TEST_CASE("where pools were begun comes last when containers explain the growth", "[held]") {
  Report report = sample_report();
  report.sites[0].key.kind = LEAKBPF_KIND_PYTHON;
  arrange(report, {});
  CHECK_FALSE(report.sites[0].behind);
  report.held = {sample_container()};
  arrange(report, {});
  CHECK(report.sites.back().behind);
  CHECK(report.sites.back().frames[0]->function != "");
  CHECK_THAT(render_table(report, {}), !ContainsSubstring("Cart::add"));
  TableStyle stacks;
  stacks.stacks = true;
  CHECK_THAT(render_table(report, stacks), ContainsSubstring("Cart::add"));
}

TEST_CASE("containers are suppressed and filtered by path, file and function", "[held]") {
  for (const std::string pattern : {"shop.seen", "shop.py", "remember"}) {
    CAPTURE(pattern);
    Report report = sample_report();
    report.held = {sample_container()};
    const auto rules = Suppressions::parse("leak:" + pattern + "\n", "rules");
    REQUIRE(rules);
    apply_suppressions(report, *rules);
    CHECK(report.held.empty());
    CHECK(report.suppressed.containers == 1);
  }
  std::vector<HeldFinding> found{finding("shop.seen", 5, PythonOwner::application)};
  Suppressed suppressed;
  auto other = Pattern::compile("orders");
  REQUIRE(other);
  const std::optional<Pattern> filter(std::move(*other));
  CHECK(take_out(found, Suppressions(), filter, suppressed) == 0);
  CHECK(found.empty());
}

TEST_CASE("what holds little is told only where nothing else explains the growth", "[held]") {
  std::vector<HeldFinding> found{finding("shop.clients", 0.01, PythonOwner::application),
                                 finding("ssl.cache", 0.01, PythonOwner::package)};
  std::vector<HeldFinding> explained = found;
  drop_small(explained, 40 * megabyte / 60, 35 * megabyte / 60);
  CHECK(explained.empty());
  drop_small(found, 40 * megabyte / 60, 0);
  REQUIRE(found.size() == 1);
  CHECK(found[0].row.path == "shop.clients");
  CHECK_THAT(found[0].row.note, ContainsSubstring("native memory"));
}

TEST_CASE("a container comes before those in it that hold the same", "[held]") {
  Report report = sample_report();
  const ProcFs proc;
  SourceLines sources(proc);
  const PythonOwner owner = PythonOwner::application;
  add_held_rows(report, 0,
                {finding("log.loggers[*].children", 5.1, owner), finding("log.loggers", 5, owner),
                 finding("log.loggersB", 4.9, owner), finding("shop", 1, owner),
                 finding("shop.carts[*]", 3, owner)},
                sources);
  arrange_held(report, GroupBy::stack);
  std::vector<std::string> paths;
  for (const HeldReport& row : report.held)
    paths.push_back(row.path);
  CHECK(paths == std::vector<std::string>{"log.loggers", "log.loggers[*].children", "log.loggersB",
                                          "shop.carts[*]", "shop"});
}

TEST_CASE("the same container in several processes is one row by line", "[held]") {
  Report report = sample_report();
  report.targets.resize(3, report.targets[0]);
  report.targets[2].executable = "/usr/bin/other";
  const PythonOwner owner = PythonOwner::application;
  const ProcFs proc;
  SourceLines sources(proc);
  HeldFinding candidate = finding("shop.seen", 2, owner);
  candidate.row.lines = {{"shop.py", 10, "remember", "", LineEvidence::candidate, false}};
  candidate.row.entries = 1'000;
  HeldFinding proven = finding("shop.seen", 1, owner);
  proven.row.lines = {{"shop.py", 12, "remember", "", LineEvidence::stack, false}};
  proven.row.entries = 500;
  add_held_rows(report, 0, {candidate, finding("shop.log", 2.5, owner)}, sources);
  add_held_rows(report, 1, {proven}, sources);
  add_held_rows(report, 2, {finding("shop.seen", 2, owner)}, sources);
  Report by_stack = report;
  arrange_held(by_stack, GroupBy::stack);
  CHECK(by_stack.held.size() == 4);
  arrange_held(report, GroupBy::line);
  REQUIRE(report.held.size() == 3);
  const HeldReport& row = report.held[0];
  CHECK(row.path == "shop.seen");
  CHECK(row.processes == 2);
  CHECK(row.entries == 1'500);
  CHECK(row.containers == 2);
  CHECK(row.growth_bytes_per_minute == 3.0 * megabyte);
  CHECK(row.lines.at(0).line == 12);
  CHECK(row.target == 0);
  CHECK(row.series.empty());
  CHECK_THAT(describe_container(row), ContainsSubstring(" in 2 processes"));
  CHECK(report.held[2].processes == 1);
}

TEST_CASE("a container is no worse than its target", "[held]") {
  Report report = sample_report();
  report.targets[0].verdict.severity = Severity::low;
  const ProcFs proc;
  SourceLines sources(proc);
  add_held_rows(
      report, 0,
      {finding("a", 1, PythonOwner::application), finding("b", 2, PythonOwner::application)},
      sources);
  arrange_held(report, GroupBy::stack);
  REQUIRE(report.held.size() == 2);
  CHECK(report.held[0].path == "b");
  CHECK(report.held[0].rank == 1);
  CHECK(report.held[0].verdict.severity == Severity::low);
}

} // namespace
} // namespace leakbpf
