// SPDX-License-Identifier: Apache-2.0
#include "core/diff.h"
#include "render/diff_table.h"
#include "render/html.h"
#include "sample_report.h"

#include <algorithm>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

SiteReport site(const std::string& function, std::uint64_t bytes, double growth,
                std::uint32_t line = 10, const std::string& module = "/srv/app/shop") {
  SiteReport made;
  made.pid = 1;
  made.totals = {bytes, 1, 0, 0};
  made.growth_bytes_per_minute = growth;
  made.frames = {native_frame(function, "shop.cpp", line, module),
                 native_frame("main", "shop.cpp", 99)};
  made.verdict.severity = growth > 0 ? Severity::high : Severity::none;
  return made;
}

Report report_with(std::vector<SiteReport> sites) {
  Report report = sample_report();
  report.sites = std::move(sites);
  return report;
}

const DiffRow& row_named(const Diff& diff, const std::string& function) {
  const auto found = std::find_if(diff.rows.begin(), diff.rows.end(), [&](const DiffRow& row) {
    return row.frames.front()->function == function;
  });
  REQUIRE(found != diff.rows.end());
  return *found;
}

TEST_CASE("stacks are matched by names, whatever lines and builds are", "[diff]") {
  Report after = report_with({site("add", 900, 50, 12, "/opt/new/shop")});
  Frame rebuilt = *after.sites[0].frames[0];
  rebuilt.build_id = "ffff";
  rebuilt.offset = 0x9999;
  after.sites[0].frames[0] = rebuilt;
  const Diff diff = compare(report_with({site("add", 500, 20)}), "a", after, "b");
  REQUIRE(diff.rows.size() == 1);
  CHECK(diff.rows[0].before->totals.outstanding_bytes() == 500);
  CHECK(diff.rows[0].after->totals.outstanding_bytes() == 900);
  CHECK(diff.rows[0].bytes_change() == 400);
  CHECK(diff.rows[0].growth_change() == 30);
  CHECK(diff.rows[0].frames[0]->line == 12);
}

TEST_CASE("rows are new, gone, grown, shrunk or the same", "[diff]") {
  const Diff diff = compare(report_with({site("gone", 1 << 20, 0), site("same", 1 << 20, 0),
                                         site("grew", 1 << 20, 0), site("shrank", 1 << 20, 0)}),
                            "a",
                            report_with({site("new", 1 << 20, 7), site("same", (1 << 20) + 100, 0),
                                         site("grew", 2 << 20, 3), site("shrank", 1 << 10, 0)}),
                            "b");
  CHECK(row_named(diff, "gone").change == Change::gone);
  CHECK(row_named(diff, "same").change == Change::same);
  CHECK(row_named(diff, "grew").change == Change::grew);
  CHECK(row_named(diff, "shrank").change == Change::shrank);
  CHECK(row_named(diff, "new").change == Change::added);
  CHECK(row_named(diff, "new").rank == 1); // the fastest growth first
  CHECK(row_named(diff, "grew").rank == 2);
  CHECK(row_named(diff, "gone").rank == 3); // what shows nothing comes last
  CHECK(row_named(diff, "same").rank == 5);
}

TEST_CASE("runs of different lengths are compared by growth per minute", "[diff]") {
  const double rate = 1 << 20;
  Report before = report_with({site("steady leak", 2 << 20, rate), site("faster", 2 << 20, rate),
                               site("slower", 2 << 20, rate), site("gone", 1 << 20, rate)});
  before.duration_seconds = 120;
  Report after =
      report_with({site("steady leak", 1 << 20, rate * 1.1), site("faster", 1 << 20, 2 * rate),
                   site("slower", 1 << 20, rate / 2), site("new", 1 << 20, rate)});
  after.duration_seconds = 60;
  const Diff diff = compare(before, "a", after, "b");
  CHECK(diff.by_rate);
  CHECK(row_named(diff, "steady leak").change == Change::same);
  CHECK(row_named(diff, "faster").change == Change::grew);
  CHECK(row_named(diff, "slower").change == Change::shrank);
  CHECK(row_named(diff, "gone").change == Change::gone);
  CHECK(row_named(diff, "new").change == Change::added);
  CHECK_THAT(render_table(diff, {}, 20), ContainsSubstring("2m00s and 1m00s"));
  CHECK_THAT(render_html(diff), ContainsSubstring("differ in length"));
  after.sites[1].growth_bytes_per_minute.reset(); // nothing to compare
  CHECK(row_named(compare(before, "a", after, "b"), "faster").change == Change::same);
  before.duration_seconds = 64;
  CHECK_FALSE(compare(before, "a", after, "b").by_rate);
}

TEST_CASE("workers with one stack are one row, kinds are not", "[diff]") {
  SiteReport other = site("add", 300, 5);
  other.pid = 2;
  SiteReport mapped = site("add", 4096, 0);
  mapped.key.kind = LEAKBPF_KIND_MMAP;
  const Diff diff =
      compare(report_with({site("add", 200, 4), other, mapped}), "a", report_with({}), "b");
  REQUIRE(diff.rows.size() == 2);
  const auto& heap = diff.rows[diff.rows[0].kind == LEAKBPF_KIND_HEAP ? 0 : 1];
  CHECK(heap.before->totals.outstanding_bytes() == 500);
  CHECK(heap.before->growth_bytes_per_minute == 9);
  CHECK_FALSE(heap.after);
}

TEST_CASE("where containers explain the growth pools are not compared", "[diff]") {
  const auto with_pools = [](bool behind) {
    SiteReport pool = site("ingest", 1 << 20, 5);
    pool.key.kind = LEAKBPF_KIND_PYTHON;
    pool.behind = behind;
    return report_with({pool, site("render", 1 << 20, 5)});
  };
  CHECK(compare(with_pools(true), "a", with_pools(false), "b").rows.size() == 1);
  CHECK(compare(with_pools(false), "a", with_pools(false), "b").rows.size() == 2);
}

TEST_CASE("what leaks as before is told", "[diff]") {
  SiteReport leak = site("ingest", 1 << 20, 5);
  leak.verdict.severity = Severity::medium;
  const Report report = report_with({leak, site("steady", 1 << 20, 0)});
  const std::string table = render_table(compare(report, "a", report, "b"), {}, 10);
  CHECK_THAT(table, ContainsSubstring("same"));
  CHECK_THAT(table, ContainsSubstring("ingest"));
  CHECK_THAT(table, !ContainsSubstring("steady"));
}

TEST_CASE("a snapshot does not differ from itself", "[diff]") {
  const Diff diff = compare(sample_report(), "a", sample_report(), "a");
  for (const DiffRow& row : diff.rows)
    CHECK(row.change == Change::same);
  CHECK_THAT(render_table(diff, {}, 20), ContainsSubstring("nothing changed"));
}

TEST_CASE("the table of a diff names both sides and each change", "[diff]") {
  Report before = report_with({site("grew", 1 << 20, 0)});
  before.losses[LEAKBPF_LOSS_LIVE_TABLE_FULL] = 12;
  const Diff diff =
      compare(before, "old.json",
              report_with({site("grew", 3 << 20, 1 << 20), site("fresh", 1 << 20, 0)}), "new.json");
  const std::string table = render_table(diff, {}, 20);
  CHECK_THAT(table, ContainsSubstring("before old.json"));
  CHECK_THAT(table, ContainsSubstring("after  new.json"));
  CHECK_THAT(table, ContainsSubstring("grew    "));
  CHECK_THAT(table, ContainsSubstring("+2.0 MB"));
  CHECK_THAT(table, ContainsSubstring("new   "));
  CHECK_THAT(table, ContainsSubstring("lost in old.json: 12 blocks not tracked"));
  CHECK_THAT(render_table(diff, {}, 1), ContainsSubstring("1 more rows"));
}

} // namespace
} // namespace leakbpf
