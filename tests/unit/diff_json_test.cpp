// SPDX-License-Identifier: Apache-2.0
#include "render/diff_json.h"
#include "sample_report.h"

#include <string>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

namespace leakbpf {
namespace {

using Json = nlohmann::json;

Json render(const Diff& diff) {
  const std::string text = render_json(diff);
  CHECK(text.ends_with("}\n"));
  return Json::parse(text);
}

Diff sample_diff() {
  const SiteReport site = sample_site();
  Diff diff;
  diff.version = "0.1.0";
  diff.before = {"old\x1b.leakbpf", "2026-01-31T09:30:00Z", 62, {sample_target()}, 1 << 20, 7, {}};
  diff.after = {"new.json", "", 31, {}, 9 << 20, 9, {"3 stacks cut off"}};
  DiffRow grew;
  grew.rank = 1;
  grew.change = Change::grew;
  grew.before = DiffFigures{{10, 2, 4, 1}, std::nullopt, std::nullopt};
  grew.after = DiffFigures{site.totals, 15.5, Severity::high};
  grew.frames = site.frames;
  grew.culprit = 1;
  grew.source = "items_.push_back(item);";
  DiffRow gone;
  gone.rank = 2;
  gone.kind = LEAKBPF_KIND_MMAP;
  gone.change = Change::gone;
  gone.before = DiffFigures{{(1ULL << 53) + 1, 1, 0, 0}, 2.5, Severity::none};
  diff.rows = {grew, gone};
  return diff;
}

TEST_CASE("a diff says what it compares", "[json]") {
  const Json json = render(sample_diff());
  CHECK(json["schema"] == "leakbpf.diff/1");
  CHECK(json["tool"]["version"] == "0.1.0");
  const Json& before = json["before"];
  CHECK(before["file"] == "old\x1b.leakbpf");
  CHECK(before["started_at"] == "2026-01-31T09:30:00Z");
  CHECK(before["duration_s"] == 62.0);
  CHECK(before["outstanding_bytes"] == 1 << 20);
  CHECK(before["outstanding_count"] == 7);
  CHECK(before["losses"] == Json::array());
  REQUIRE(before["targets"].size() == 1);
  CHECK(before["targets"][0]["pid"] == 4242);
  CHECK(before["targets"][0]["comm"] == "shop");
  CHECK(before["targets"][0]["outstanding_bytes"] == 15 << 20);
  CHECK(before["targets"][0]["verdict"]["severity"] == "critical");
  CHECK(json["after"]["started_at"].is_null());
  CHECK(json["after"]["targets"] == Json::array());
  CHECK(json["after"]["losses"] == Json{"3 stacks cut off"});
}

TEST_CASE("a diff's row has the figures of both sides", "[json]") {
  const Json row = render(sample_diff())["rows"][0];
  CHECK(row["rank"] == 1);
  CHECK(row["kind"] == "heap");
  CHECK(row["change"] == "grew");
  CHECK(row["before"]["outstanding_bytes"] == 6);
  CHECK(row["before"]["outstanding_count"] == 1);
  CHECK(row["before"]["growth_bytes_per_min"].is_null());
  CHECK(row["before"]["severity"].is_null());
  CHECK(row["after"]["allocated_bytes"] == 20 << 20);
  CHECK(row["after"]["freed_count"] == 5120);
  CHECK(row["after"]["severity"] == "high");
  CHECK(row["bytes_change"] == (15 << 20) - 6);
  CHECK(row["growth_change_bytes_per_min"] == 15.5);
  CHECK(row["culprit"] == 1);
  REQUIRE(row["frames"].size() == 3);
  CHECK(row["frames"][1]["function"] == "Cart::add(Item const&)");
  CHECK(row["frames"][1]["source"] == "items_.push_back(item);");
  CHECK_FALSE(row["frames"][0].contains("source"));
}

TEST_CASE("a side that a stack is not in is null, and its change exact", "[json]") {
  const Json row = render(sample_diff())["rows"][1];
  CHECK(row["change"] == "gone");
  CHECK(row["after"].is_null());
  CHECK(row["bytes_change"] == -9007199254740993);
  CHECK(row["growth_change_bytes_per_min"] == -2.5);
  CHECK(row["culprit"].is_null());
  CHECK(row["frames"] == Json::array());
}

TEST_CASE("an empty diff is a whole document", "[json]") {
  const Json json = render(Diff{});
  CHECK(json["rows"] == Json::array());
  CHECK(json["before"]["targets"] == Json::array());
}

} // namespace
} // namespace leakbpf
