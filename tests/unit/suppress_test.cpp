// SPDX-License-Identifier: Apache-2.0
#include "core/suppress.h"

#include <string>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

Frame frame(const std::string& function, const std::string& module = "/srv/app/shop") {
  Frame frame;
  frame.function = function;
  frame.module = module;
  return frame;
}

/// A site with a stack of two frames, `bytes` outstanding in `count` blocks.
SiteReport ranked_site(std::size_t rank, const Frame& inner, std::uint64_t bytes,
                       std::uint64_t count) {
  SiteReport ranked_site;
  ranked_site.rank = rank;
  ranked_site.frames = {inner, frame("main")};
  ranked_site.totals = {bytes + 1000, count + 10, 1000, 10};
  return ranked_site;
}

Report three_sites() {
  Report report;
  report.sites = {ranked_site(1, frame("Cart::add"), 500, 5),
                  ranked_site(2, frame("Log::open"), 300, 3),
                  ranked_site(3, frame("Cart::copy"), 200, 2)};
  report.site_count = 10; // the rest has no rows
  return report;
}

Suppressions parsed_rules(const std::string& text) {
  auto suppressions = Suppressions::parse(text, "leaks.supp");
  REQUIRE(suppressions);
  return *suppressions;
}

TEST_CASE("suppressed sites are removed and counted by rule", "[suppress]") {
  Report report = three_sites();
  apply_suppressions(report, parsed_rules("leak:^Cart\nleak:unused"));
  REQUIRE(report.sites.size() == 1);
  CHECK(report.sites[0].frames[0]->function == "Log::open");
  CHECK(report.sites[0].rank == 1);
  CHECK(report.site_count == 8);
  const Suppressed expected{{{"^Cart", 2, 700}}, 2, 700, 7};
  CHECK(report.suppressed == expected);
}

TEST_CASE("without a rule that matches a report stays as it is", "[suppress]") {
  Report report = three_sites();
  apply_suppressions(report, Suppressions());
  apply_suppressions(report, parsed_rules("leak:unused"));
  REQUIRE(report.sites.size() == 3);
  for (std::size_t i = 0; i < 3; i++)
    CHECK(report.sites[i].rank == i + 1);
  CHECK(report.site_count == 10);
  CHECK(report.suppressed == Suppressed());
}

TEST_CASE("what was suppressed before is added to", "[suppress]") {
  Report report = three_sites();
  report.suppressed = {{{"^Log", 4, 250}, {"old", 1, 10}}, 5, 260, 6};
  apply_suppressions(report, parsed_rules("leak:^Log\nleak:^Cart::copy"));
  CHECK(report.sites.size() == 1);
  const Suppressed expected{
      {{"^Log", 5, 550}, {"^Cart::copy", 1, 200}, {"old", 1, 10}}, 7, 760, 11};
  CHECK(report.suppressed == expected);
}

TEST_CASE("a count of sites is never below zero", "[suppress]") {
  Report report = three_sites();
  report.site_count = 0;
  apply_suppressions(report, parsed_rules("leak:*"));
  CHECK(report.sites.empty());
  CHECK(report.site_count == 0);
}

TEST_CASE("a built-in rule does not hide what grows", "[suppress]") {
  Report report;
  const Frame locale = frame("setlocale", "/usr/lib/libc.so.6");
  for (std::size_t i = 1; i <= 4; i++)
    report.sites.push_back(ranked_site(i, locale, 100 * i, 1));
  report.sites[0].verdict.severity = Severity::none;
  report.sites[1].verdict.severity = Severity::low;
  report.sites[2].verdict.severity = Severity::critical;
  report.site_count = 4;
  Report mine = report;
  apply_suppressions(report, Suppressions::builtin()); // the last one's severity is not known
  REQUIRE(report.sites.size() == 2);
  CHECK(report.sites[0].verdict.severity == Severity::low);
  CHECK(report.sites[1].verdict.severity == Severity::critical);
  CHECK(report.suppressed.bytes == 500);
  // The user's own word counts.
  Suppressions both = Suppressions::builtin();
  both.add(parsed_rules("leak:main"));
  apply_suppressions(mine, both);
  CHECK(mine.sites.empty());
  CHECK(mine.suppressed.rules.size() == 1);
}

} // namespace
} // namespace leakbpf
