// SPDX-License-Identifier: Apache-2.0
// Containers that grow in formats that are made for stacks, and in what compares two snapshots.
#include "base/gzip.h"
#include "core/diff.h"
#include "full_report.h"
#include "megabyte.h"
#include "pprof_profile.h"
#include "render/diff_json.h"
#include "render/diff_table.h"
#include "render/flame_svg.h"
#include "render/folded.h"
#include "render/html.h"
#include "render/pprof.h"
#include "render/speedscope.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

HeldReport held(const std::string& path, std::uint64_t bytes, double megabytes_per_minute) {
  HeldReport row;
  row.pid = 4242;
  row.path = path;
  row.type = "dict";
  row.entries = 100;
  row.bytes = bytes;
  row.growth_bytes_per_minute = megabytes_per_minute * megabyte;
  row.verdict.severity = Severity::high;
  row.lines = {{"/srv/shop.py", 12, "remember", "", LineEvidence::hot, false}};
  return row;
}

Report report_with(std::vector<HeldReport> rows) {
  Report report = full_report();
  report.targets.resize(1);
  report.sites.clear();
  report.held = std::move(rows);
  return report;
}

TEST_CASE("a container's path is its stack, the line innermost", "[held]") {
  const Report report = report_with({held("shop.seen", 5000, 8)});
  CHECK(render_folded(report) == "[growing containers: the same memory, by holder];[shop.seen: "
                                 "dict];remember at srv/shop.py:12 5000\n");
  CHECK_THAT(render_svg(report), ContainsSubstring("shop.seen: dict"));
  const Json speedscope = Json::parse(render_speedscope(report));
  const Json& profile = speedscope.at("profiles").at(0);
  CHECK_THAT(profile.at("name").get<std::string>(), ContainsSubstring("growing containers"));
  CHECK(profile.at("weights") == Json{5000});
}

TEST_CASE("in a profile containers have types of their own", "[held][pprof]") {
  const Report report = report_with({held("shop.seen", 5000, 8)});
  const auto data = gunzip(render_pprof(report), std::size_t{1} << 20);
  REQUIRE(data);
  const PprofProfile profile = PprofReader(*data).read();
  REQUIRE(profile.sample_types.size() == 6);
  CHECK(profile.sample_types[5] == PprofProfile::ValueType{"held_space", "bytes"});
  REQUIRE(profile.samples.size() == 1);
  CHECK(profile.samples[0].values == std::vector<std::int64_t>{0, 0, 0, 0, 100, 5000});
  CHECK(profile.samples[0].labels.at("kind") == "held");
}

TEST_CASE("two snapshots say which containers grow no more", "[held][diff]") {
  const Report before = report_with({held("shop.seen", 5000, 8), held("shop.same", 100, 2)});
  Report after = report_with({held("shop.log", 7000, 9), held("shop.same", 200, 2.1)});
  after.held[1].pid = 4343; // another run of the program
  const Diff diff = compare(before, "before.json", after, "after.json");
  REQUIRE(diff.held.size() == 3);
  CHECK(diff.held[0].row.path == "shop.log");
  CHECK(diff.held[0].change == Change::added);
  CHECK(diff.held[1].row.path == "shop.seen");
  CHECK(diff.held[1].change == Change::gone);
  CHECK(diff.held[2].change == Change::same);

  const Json json = Json::parse(render_json(diff));
  CHECK(json.at("held").at(0).at("change") == "new");
  CHECK(json.at("held").at(0).at("before").is_null());
  CHECK(json.at("held").at(0).at("lines").at(0).at("line") == 12);
  CHECK(json.at("held").at(1).at("growth_change_bytes_per_min") == -8 * megabyte);
  const std::string table = render_table(diff, {}, 10);
  CHECK_THAT(table, ContainsSubstring("shop.log: dict"));
  CHECK_THAT(table, ContainsSubstring("gone"));
  CHECK_THAT(table, ContainsSubstring("shop.same")); // it grows on
  CHECK_THAT(render_html(diff), ContainsSubstring("shop.log: dict"));
  CHECK_THAT(render_folded(diff), ContainsSubstring("[shop.seen: dict];remember at srv/shop.py:12 "
                                                    "5000 0"));
}

} // namespace
} // namespace leakbpf
