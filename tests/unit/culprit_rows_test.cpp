// SPDX-License-Identifier: Apache-2.0
#include "core/culprit_rows.h"
#include "megabyte.h"
#include "render/json.h"
#include "render/table.h"
#include "render/verdict_text.h"
#include "sample_report.h"

#include <algorithm>
#include <random>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

/// A stack that reaches `function` at `line` through a caller of its own.
SiteReport stack_of(const std::string& function, std::uint32_t line, std::uint64_t hash,
                    double growth, Severity severity) {
  SiteReport site = sample_site();
  site.key.stack_hash = hash;
  site.frames = {native_frame("malloc", "", 0, "/usr/lib/libc.so.6"),
                 native_frame(function, "/src/shop/shop.cpp", line),
                 native_frame("caller" + std::to_string(hash), "/src/shop/calls.cpp", 7)};
  site.culprit = 1;
  site.growth_bytes_per_minute = growth;
  site.totals = {static_cast<std::uint64_t>(growth), 100, 0, 0};
  site.verdict = {severity, {"it rose in 5 of 5 intervals"}};
  return site;
}

/// Five stacks of one line, none of which is the largest, and one of another.
Report spread_leak() {
  Report report = sample_report();
  report.sites.clear();
  report.sites.push_back(stack_of("steady", 9, 99, 3 * megabyte, Severity::medium));
  for (std::uint64_t hash = 1; hash <= 5; hash++)
    report.sites.push_back(stack_of(
        "leak", 40, hash, (1.5 + 0.1 * static_cast<double>(hash)) * megabyte, Severity::medium));
  report.site_count = report.sites.size();
  return report;
}

TEST_CASE("stacks of one culprit are one row, ranked by their sum", "[culprit_rows]") {
  Report report = spread_leak();
  join_culprits(report, site_order(SortOrder::growth), 20);
  REQUIRE(report.sites.size() == 2);
  const SiteReport& row = report.sites[0];
  CHECK(row.frames[row.culprit]->function == "leak");
  CHECK(row.stacks == 5);
  CHECK(row.rank == 1);
  CHECK(row.series == std::vector<std::uint64_t>{0, 35ULL << 20, 75ULL << 20});
  CHECK(row.totals.outstanding_count() == 500);
  CHECK(*row.growth_bytes_per_minute / megabyte > 8.9);
  CHECK(*row.growth_bytes_per_minute / megabyte < 9.1);
  CHECK(row.verdict.severity == Severity::high); // of all of it
  CHECK(row.verdict.reasons.front() == "one of its 5 stacks: it rose in 5 of 5 intervals");
  CHECK(row.frames[2]->function == "caller5"); // which grows most
  CHECK(report.sites[1].stacks == 1);
  CHECK(report.site_count == 2);
}

TEST_CASE("a row of several stacks is no worse than its process", "[culprit_rows]") {
  Report report = spread_leak();
  report.targets[0].verdict.severity = Severity::medium;
  join_culprits(report, site_order(SortOrder::growth), 20);
  CHECK(report.sites[0].verdict.severity == Severity::medium);
  CHECK_THAT(report.sites[0].verdict.reasons.back(), ContainsSubstring("lowered"));
}

TEST_CASE("mappings rank by what of them is resident", "[culprit_rows]") {
  Report report = spread_leak();
  SiteReport threads = stack_of("start_thread", 3, 50, 2000 * megabyte, Severity::high);
  threads.key.kind = LEAKBPF_KIND_MMAP;
  report.sites.push_back(threads);
  Report unknown = report;
  join_culprits(unknown, site_order(SortOrder::growth), 20);
  CHECK(unknown.sites[0].frames[1]->function == "start_thread");
  report.sites.back().resident_bytes = threads.totals.outstanding_bytes() / 1000;
  join_culprits(report, site_order(SortOrder::growth), 20);
  CHECK(report.sites[0].frames[1]->function == "leak");
  CHECK(report.sites.back().frames[1]->function == "start_thread");
}

TEST_CASE("the first rows are wanted, and the others counted", "[culprit_rows]") {
  Report report = spread_leak();
  report.site_count = 1000; // most of which are not in it
  join_culprits(report, site_order(SortOrder::growth), 1);
  CHECK(report.sites.size() == 1);
  CHECK(report.site_count == 996);
}

TEST_CASE("what tells rows apart is process, kind and culprit", "[culprit_rows]") {
  const auto rows = [](const auto& change) {
    Report report = spread_leak();
    change(report.sites[2]);
    join_culprits(report, site_order(SortOrder::growth), 20);
    return report.sites.size();
  };
  CHECK(rows([](SiteReport&) {}) == 2);
  CHECK(rows([](SiteReport& site) { site.target = 1; }) == 3);
  CHECK(rows([](SiteReport& site) { site.key.kind = LEAKBPF_KIND_MMAP; }) == 3);
  CHECK(rows([](SiteReport& site) {
          site.frames[1] = native_frame("leak", "/src/shop/shop.cpp", 41);
        }) == 3);
  CHECK(rows([](SiteReport& site) { site.frames.clear(); }) == 3);
}

TEST_CASE("without lines a function is a place, and the program's start is where it calls",
          "[culprit_rows]") {
  const auto rows = [](const std::string& function) {
    Report report = spread_leak();
    report.sites.resize(2);
    for (SiteReport& site : report.sites) {
      Frame frame = native_frame(function, "", 0);
      frame.offset = site.key.stack_hash;
      site.frames[1] = frame;
    }
    join_culprits(report, site_order(SortOrder::growth), 20);
    return report.sites.size();
  };
  CHECK(rows("leak") == 1);
  CHECK(rows("main") == 2); // what was inlined into it
  CHECK(rows("") == 2);
}

TEST_CASE("sums are those of the stacks, whatever their order", "[culprit_rows]") {
  std::mt19937 random(17);
  for (int run = 0; run < 50; run++) {
    Report report = sample_report();
    report.sites.clear();
    SiteTotals all;
    double growth = 0;
    for (std::uint64_t hash = 1; hash <= 40; hash++) {
      SiteReport site = stack_of("f" + std::to_string(random() % 7), 1, hash,
                                 static_cast<double>(random() % 5000000), Severity::low);
      site.totals = {random() % 1000000, random() % 1000, random() % 1000, random() % 10};
      all += site.totals;
      growth += *site.growth_bytes_per_minute;
      report.sites.push_back(std::move(site));
    }
    Report ranked = report;
    rank_by_culprit(ranked, site_order(SortOrder::growth));
    CHECK(ranked.sites.size() == report.sites.size());
    const auto adjacent = adjacent_culprits(ranked.sites);
    Report joined = report;
    join_culprits(joined, site_order(SortOrder::growth), 0);
    REQUIRE(adjacent.size() == joined.sites.size());
    for (std::size_t i = 0; i < adjacent.size(); i++)
      CHECK(culprit_row(ranked.sites, adjacent[i]).totals == joined.sites[i].totals);
    for (const SiteReport& row : joined.sites) {
      growth -= *row.growth_bytes_per_minute;
      all.allocated_bytes -= row.totals.allocated_bytes;
      all.freed_count -= row.totals.freed_count;
    }
    CHECK(std::abs(growth) < 1);
    CHECK(all.allocated_bytes == 0);
    CHECK(all.freed_count == 0);
    CHECK(std::is_sorted(joined.sites.begin(), joined.sites.end(), site_order(SortOrder::growth)));
  }
}

TEST_CASE("a culprit that leaks is told in any order of rows", "[culprit_rows]") {
  Report report = spread_leak();
  SiteReport large = stack_of("leak", 40, 60, 0, Severity::none);
  large.totals = {900 << 20, 1000, 0, 0};
  report.sites.push_back(large);
  rank_by_culprit(report, site_order(SortOrder::bytes));
  CHECK(report.sites[0].key.stack_hash == 60);
  CHECK_THAT(render_verdict(report), ContainsSubstring("leak at shop.cpp:40 (6 stacks)"));
  CHECK_THAT(render_verdict(report), ContainsSubstring("it rose in 5 of 5 intervals"));
  CHECK(nlohmann::json::parse(render_json(report)).at("culprits")[0].at("function") == "leak");
}

TEST_CASE("table, verdict and JSON tell how many stacks a culprit has", "[culprit_rows]") {
  Report report = spread_leak();
  rank_by_culprit(report, site_order(SortOrder::growth));
  CHECK(report.sites[0].frames[1]->function == "leak");
  CHECK_THAT(render_verdict(report), ContainsSubstring("leak at shop.cpp:40 (5 stacks)\n"));
  CHECK_THAT(render_verdict(report, false), !ContainsSubstring("stacks)"));
  const auto json = nlohmann::json::parse(render_json(report));
  REQUIRE(json.at("culprits").size() == 2);
  const auto& culprit = json.at("culprits")[0];
  CHECK(culprit.at("function") == "leak");
  CHECK(culprit.at("line") == 40);
  CHECK(culprit.at("stacks") == 5);
  CHECK(culprit.at("site_ranks") == std::vector<int>{1, 2, 3, 4, 5});
  CHECK(culprit.at("severity") == "high");
  join_culprits(report, site_order(SortOrder::growth), 20);
  CHECK_THAT(render_table(report, {}), ContainsSubstring("leak at shop.cpp:40 (5 stacks)\n"));
}

} // namespace
} // namespace leakbpf
