// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"
#include "full_report.h"
#include "old_snapshot.h"
#include "render/compact.h"
#include "render/diff_json.h"
#include "render/json.h"
#include "store/snapshot_reader.h"
#include "temporary_directory.h"

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

Report read_back(const std::string& text) {
  auto report = read_snapshot(text, "it");
  INFO((report ? "" : report.error().message));
  REQUIRE(report);
  return std::move(*report);
}

Error error_of(const std::string& text) {
  const auto report = read_snapshot(text, "it");
  REQUIRE_FALSE(report);
  CHECK(report.error().code == ExitCode::io);
  CHECK_FALSE(report.error().hint.empty());
  return report.error();
}

/// The error about a snapshot that was changed.
std::string error_after(const std::function<void(Json&)>& change, bool compact = false) {
  Json json = Json::parse(compact ? render_compact(full_report()) : render_json(full_report()));
  change(json);
  return error_of(json.dump()).message;
}

TEST_CASE("what was written is read again", "[snapshot]") {
  const Report report = full_report();
  SECTION("as JSON") {
    check_same(read_back(render_json(report)), report);
  }
  SECTION("in the compact form") {
    check_same(read_back(render_compact(report)), report);
  }
  SECTION("packed") {
    check_same(read_back(gzip(render_compact(report))), report);
  }
  SECTION("with its members in another order") {
    const Json sorted = Json::parse(render_compact(report)); // "sites" before "stack_table"
    std::string backwards = "{";
    for (auto member = sorted.rbegin(); member != sorted.rend(); ++member)
      backwards += (backwards.size() > 1 ? "," : "") + Json(member.key()).dump() + ":" +
                   member.value().dump();
    check_same(read_back(sorted.dump()), report);
    check_same(read_back(backwards + "}"), report);
  }
}

TEST_CASE("an empty report and one without frames are read again", "[snapshot]") {
  check_same(read_back(render_json(Report{})), Report{});
  check_same(read_back(render_compact(Report{})), Report{});
  Report report = sample_report();
  report.sites[0].frames.clear();
  report.sites[0].culprit = 0;
  check_same(read_back(render_json(report)), report);
  check_same(read_back(render_compact(report)), report);
}

TEST_CASE("equal frames are held once", "[snapshot]") {
  Report report = sample_report();
  report.sites = {sample_site(), sample_site()};
  for (const std::string& text : {render_json(report), render_compact(report)}) {
    const Report again = read_back(text);
    for (std::size_t i = 0; i < 3; i++)
      CHECK(again.sites[0].frames[i].id() == again.sites[1].frames[i].id());
  }
}

TEST_CASE("a site's key names its target by its index", "[snapshot]") {
  Report report = full_report();
  report.sites[2].key.target = 812; // a number of the run, which a file has no use for
  CHECK(read_back(render_json(report)).sites[2].key.target == 1);
}

TEST_CASE("a pause that became a reason stays one reason", "[snapshot]") {
  Report report = full_report();
  report.targets[1].python->collections->longest_seconds = 0.75;
  const Report again = read_back(render_json(report));
  CHECK(again.targets[1].verdict.reasons.size() == 2);
  CHECK(render_json(again) == render_json(report));
}

TEST_CASE("a snapshot of version 0.1.0 is read, and what it did not know is unknown",
          "[snapshot]") {
  Report expected = sample_report();
  expected.losses[LEAKBPF_LOSS_STACK_TABLE_FULL] = 5;
  expected.overhead.present_percent_of_one_core.reset();
  TargetReport& target = expected.targets[0];
  target.limit.reset();
  target.seconds_to_limit.reset();
  target.verdict = {std::nullopt, {"this version gives no verdict"}};
  target.python =
      PythonReport{"3.11", "", PythonReport::SmallObjects{3, 3 << 20, 190, 3112960, 1000},
                   PythonReport::Collections{5, 1.5, 0.75}};
  expected.sites.resize(1);
  expected.site_count = 1;
  SiteReport& site = expected.sites[0];
  site.key.stack_hash = 0;
  site.source = "items_.push_back(item);";
  site.verdict = {};
  site.score.reset();
  site.old_survival_percent.reset();
  site.survival_age_seconds.reset();
  site.series.clear();
  expected.series_times.clear();
  HistoryPoint& first = expected.history[0];
  first = {
      first.t_seconds, first.pid, first.rss_bytes, first.outstanding_bytes, {}, {}, {}, {}, {}};
  check_same(read_back(old_snapshot), expected);
}

TEST_CASE("members that are not known are passed over, missing ones unknown", "[snapshot]") {
  Json json = Json::parse(render_json(sample_report()));
  json["new"] = {{"deep", {{1, 2}, {}}}};
  json["also_new"] = Json::array({1, {{"sites", 2}}});
  json["sites"][0]["new"] = {1, 2};
  json["sites"][0]["frames"][0]["new"] = nullptr;
  check_same(read_back(json.dump()), sample_report());

  const Report report =
      read_back(R"({"schema": "leakbpf.snapshot/1", "targets": [{"pid": 1}, {"pid": 7}],
    "sites": [{"pid": 7, "allocated_bytes": 5, "allocated_count": 1, "freed_bytes": 0,
               "freed_count": 0}]})");
  CHECK(report.targets[1].rss_end_bytes == std::nullopt);
  CHECK(report.targets[1].verdict == Verdict{});
  CHECK(report.sites[0].target == 1);
  CHECK(report.sites[0].rank == 1);
  CHECK(report.sites[0].oldest_age_seconds == std::nullopt);
  CHECK(report.sites[0].standard_error_bytes == std::nullopt);
  CHECK(report.site_count == 1);
}

TEST_CASE("files that are no snapshots are told apart", "[snapshot]") {
  CHECK(error_of("").message == "it is empty");
  CHECK(error_of(gzip("")).message == "it is empty");
  CHECK(error_of("# a text").message == "it is not JSON: see byte 1");
  CHECK(error_of("{\"a\": 1} x").message == "it is not JSON: see byte 10");
  CHECK(error_of("{\"a\": NaN}").message == "it is not JSON: see byte 7");
  CHECK(error_of("{\"a\": 1e999}").message == "it is not JSON: see byte 11");
  CHECK(error_of("{\"a\": \"\xff\"}").message == "it is not JSON: see byte 8");
  CHECK(error_of("{\"a\": [1,").message == "it is cut off: it ends in the middle, at byte 9");
  CHECK(error_of("[{}]").message == "it is not a leakbpf snapshot: it is not an object");
  CHECK(error_of("5").message == "it is not a leakbpf snapshot: it is not an object");
  CHECK(error_of("{}").message == "it is not a leakbpf snapshot: it names no schema");
  CHECK(error_of(R"({"schema": 5})").message == "it is not a leakbpf snapshot: it names no schema");
  CHECK(error_of(R"({"schema": "x\u001b[2J", "sites": 7})").message ==
        "it is not a leakbpf snapshot: its schema is x\\x1b[2J");
  CHECK(error_of(R"({"schema": "leakbpf.snapshot/0"})").message ==
        "it is not a leakbpf snapshot: its schema is leakbpf.snapshot/0");
  CHECK(error_of(render_json(Diff{})).message == "it is a comparison of snapshots, not a snapshot");
  CHECK_THAT(error_of("\x1f\x8b\x08").message,
             ContainsSubstring("it: cannot unpack the gzip data"));
  const std::string packed = gzip(render_json(sample_report()));
  CHECK_THAT(error_of(packed.substr(0, packed.size() / 2)).message,
             ContainsSubstring("its end is missing"));
}

TEST_CASE("a newer version is named, whatever else it holds", "[snapshot]") {
  for (const std::string schema : {"leakbpf.snapshot/2", "leakbpf.snapshot-compact/12"})
    for (const std::string& text : {R"({"schema": ")" + schema + R"(", "sites": {"a": 1}})",
                                    R"({"sites": [1, {}], "schema": ")" + schema + R"("})"}) {
      const Error error = error_of(text);
      CHECK(error.message ==
            "it was written by a newer leakbpf: schema " + schema + "; this one reads up to 1");
      CHECK(error.hint == "update leakbpf");
    }
}

struct WrongValue {
  std::string place; ///< JSON pointer
  Json value;
  std::string error; ///< after "cannot read it: "
};

TEST_CASE("a wrong member is named, with its place", "[snapshot]") {
  const std::vector<WrongValue> cases{
      {"/sites/0/frames/1/line", "x", "sites[0].frames[1].line is not a number"},
      {"/sites/0/frames/1/line", 1.5,
       "sites[0].frames[1].line is not a whole number, or is too large"},
      {"/sites/0/frames/1/line", 1ULL << 32, "sites[0].frames[1].line is too large"},
      {"/sites/0/frames/2", 7, "sites[0].frames[2] is not an object"},
      {"/sites/0/frames/2/offset", "12",
       "sites[0].frames[2].offset is not a 64-bit hexadecimal number"},
      {"/sites/0/frames/2/offset", 12, "sites[0].frames[2].offset is no text"},
      {"/sites/0/frames/2/kind", "gpu", "sites[0].frames[2].kind is not one of the allowed values"},
      {"/sites/0/frames", 1, "sites[0].frames is no list"},
      {"/sites/1/culprit", 1, "sites[1].culprit is none of the 1 frames"},
      {"/sites/1/target", 2, "sites[1].target is none of the 2 targets"},
      {"/sites/1/stack", "0x12345678901234567",
       "sites[1].stack is not a 64-bit hexadecimal number"},
      {"/sites/1/kind", "gpu", "sites[1].kind is not one of the allowed values"},
      {"/sites/1/severity", "bad", "sites[1].severity is not one of the allowed values"},
      {"/sites/1/allocated_bytes", -1, "sites[1].allocated_bytes is negative"},
      {"/sites/1/allocated_bytes", 1ULL << 63, "sites[1].allocated_bytes is too large"},
      {"/sites/1/allocated_bytes", nullptr, "sites[1].allocated_bytes is missing"},
      {"/sites/1/oldest_age_s", -0.5, "sites[1].oldest_age_s is negative"},
      {"/sites/1/reasons", {"a", 1}, "sites[1].reasons[1] is no text"},
      {"/sites/0/series", {1, 2}, "sites[0].series is not as long as series_t_s"},
      {"/sites/2", "text", "sites[2] is not an object"},
      {"/sites", {{"0", 1}}, "sites is no list"},
      {"/targets/1/pid", nullptr, "targets[1].pid is missing"},
      {"/targets/1/pid", -1, "targets[1].pid is negative"},
      {"/targets/1/ended", "soon", "targets[1].ended is not an object"},
      {"/targets/1/ended/at_s", true, "targets[1].ended.at_s is not a number"},
      {"/targets/1/python/gc/collections", "5", "targets[1].python.gc.collections is not a number"},
      {"/history/0/rss_bytes", "5", "history[0].rss_bytes is not a number"},
      {"/series_t_s/1", "5", "series_t_s[1] is not a number"},
      {"/sampling/exact", 1, "sampling.exact is neither true nor false"},
      {"/suppressed/rules/1/bytes", -3, "suppressed.rules[1].bytes is negative"},
      {"/duration_s", "5", "duration_s is not a number"},
      {"/tool", {1, 2}, "tool is a list"},
      {"/tool", 1, "tool is not an object"},
  };
  for (const WrongValue& wrong : cases) {
    CAPTURE(wrong.place, wrong.value);
    CHECK(error_after([&](Json& json) { json[Json::json_pointer(wrong.place)] = wrong.value; }) ==
          "cannot read it: " + wrong.error);
  }
  CHECK(error_after([](Json& json) { json.erase("sites"); }) == "cannot read it: sites is missing");
}

TEST_CASE("a wrong table of stacks is named", "[snapshot]") {
  const std::vector<WrongValue> cases{
      {"/stack_table/outer/0", 1, "stack_table.outer points outside the table"},
      {"/stack_table/frame/0", 99, "stack_table.frame names a frame that is not in frame_table"},
      {"/stack_table/frame", {0}, "stack_table.frame is not as long as the other columns"},
      {"/stack_table/outer/1", "0", "stack_table.outer[1] is not a number"},
      {"/stack_table", {1}, "stack_table is a list"},
      {"/sites/1/stack_id", 99,
       "sites[1].stack_id is not a row of stack_table, or the stacks are too large"},
      {"/sites/1/culprit", 1, "sites[1].culprit is none of the 1 frames"},
      {"/frame_table/1/inlined", 0, "frame_table[1].inlined is neither true nor false"},
  };
  for (const WrongValue& wrong : cases) {
    CAPTURE(wrong.place, wrong.value);
    CHECK(error_after([&](Json& json) { json[Json::json_pointer(wrong.place)] = wrong.value; },
                      true) == "cannot read it: " + wrong.error);
  }
}

/// A compact snapshot with one stack of `depth` frames, which `sites` sites have.
std::string with_deep_stack(std::size_t depth, std::size_t sites) {
  Json json = Json::parse(render_compact(sample_report()));
  json["stack_table"]["outer"] = std::vector<int>(depth, 1);
  json["stack_table"]["outer"][0] = 0;
  json["stack_table"]["frame"] = std::vector<int>(depth, 0);
  json["sites"][0]["stack_id"] = depth - 1;
  json["sites"] = Json::array_t(sites, json["sites"][0]);
  return json.dump();
}

TEST_CASE("small files that stand for endless stacks are refused", "[snapshot]") {
  CHECK(read_back(with_deep_stack(65'536, 1)).sites[0].frames.size() == 65'536);
  CHECK_THAT(error_of(with_deep_stack(65'537, 1)).message,
             ContainsSubstring("makes a stack of more than 65,536 frames"));
  CHECK_THAT(
      error_of(with_deep_stack(65'536, 1025)).message,
      ContainsSubstring("sites[1024].stack_id is not a row of stack_table, or the stacks are"));
}

TEST_CASE("deep nesting is refused, wherever it is", "[snapshot]") {
  const std::string deep(2'000'000, '[');
  const std::string message = "it is not a leakbpf snapshot: it is nested too deeply";
  CHECK(error_of(R"({"schema": "leakbpf.snapshot/1", "unknown": )" + deep).message == message);
  CHECK(error_of(R"({"schema": "leakbpf.snapshot/1", "sites": )" + deep).message == message);
  std::string objects;
  for (int i = 0; i < 1000; i++)
    objects += "{\"tool\":";
  CHECK(error_of(objects).message == message);
}

TEST_CASE("huge numbers are cut, or told of", "[snapshot]") {
  Json json = Json::parse(render_json(sample_report()));
  json["duration_s"] = 1e300;
  json["sites"][0]["growth_bytes_per_min"] = -1e300;
  const Report report = read_back(json.dump());
  CHECK(report.duration_seconds == 1e18);
  CHECK(report.sites[0].growth_bytes_per_minute == -1e18);
  CHECK(error_after([](Json& changed) { changed["site_count"] = UINT64_MAX; }) ==
        "cannot read it: site_count is too large");
  CHECK(error_after([](Json& changed) { changed["site_count"] = 1e30; }) ==
        "cannot read it: site_count is not a whole number, or is too large");
}

TEST_CASE("of a key that comes twice the last one counts", "[snapshot]") {
  std::string text = render_json(sample_report());
  text.insert(1, R"("tool": {"version": "9"}, "duration_s": 5,)");
  check_same(read_back(text), sample_report());
}

TEST_CASE("a file that is cut off anywhere is an error", "[snapshot]") {
  const Report report = sample_report();
  for (const std::string& text : {render_json(report), render_compact(report)})
    for (std::size_t size = 1; size + 1 < text.size(); size++) { // all but the final newline
      const auto cut = read_snapshot(std::string_view(text).substr(0, size), "it");
      if (cut || cut.error().message !=
                     "it is cut off: it ends in the middle, at byte " + std::to_string(size))
        FAIL(size << " bytes: " << (cut ? "read" : cut.error().message));
    }
  const std::string packed = gzip(render_compact(report));
  for (std::size_t size = 0; size < packed.size(); size++)
    if (read_snapshot(std::string_view(packed).substr(0, size), "it"))
      FAIL(size << " bytes of the packed file were read");
}

TEST_CASE("a damaged file is read or refused, and what is read can be written", "[snapshot]") {
  const Report report = full_report();
  const std::string packed = gzip(render_compact(report), 0);
  std::mt19937 random(20260131);
  std::size_t refused = 0;
  for (const std::string& whole : {render_json(report), render_compact(report), packed})
    for (int i = 0; i < 2000; i++) {
      std::string text = whole;
      text[random() % text.size()] ^= static_cast<char>(1U << (random() % 8));
      const auto damaged = read_snapshot(text, "it");
      if (!damaged) {
        refused++;
        continue;
      }
      const std::string written = render_json(*damaged);
      REQUIRE(render_json(read_back(written)) == written);
      REQUIRE(render_json(read_back(render_compact(*damaged))) == written);
    }
  CHECK(refused > 2500);
  CHECK(refused < 6000);
}

TEST_CASE("snapshots are loaded from files", "[snapshot]") {
  const TemporaryDirectory directory;
  write_text(directory / "a.json", render_json(full_report()));
  write_text(directory / "a.leakbpf", gzip(render_compact(full_report())));
  write_text(directory / "empty", "");
  for (const std::string name : {"a.json", "a.leakbpf"}) {
    const auto report = load_snapshot(directory / name);
    REQUIRE(report);
    check_same(*report, full_report());
  }
  const auto error = [&](const std::string& name) {
    const auto report = load_snapshot(directory / name);
    REQUIRE_FALSE(report);
    CHECK(report.error().code == ExitCode::io);
    return report.error();
  };
  CHECK(error("none").message ==
        "cannot open " + (directory / "none") + ": No such file or directory");
  CHECK(error("none").hint == "`leakbpf snapshot -o FILE` writes a snapshot");
  CHECK(error("").message == "cannot read " + (directory / "") + ": Is a directory");
  CHECK(error("empty").message == (directory / "empty") + " is empty");
}

} // namespace
} // namespace leakbpf
