// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"
#include "full_report.h"
#include "render/compact.h"
#include "render/json.h"

#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

namespace leakbpf {
namespace {

using Json = nlohmann::json;

Json rendered_compact(const Report& report) {
  return Json::parse(render_compact(report));
}

SiteReport site_of(const Frames& frames) {
  SiteReport site = sample_site();
  site.frames = frames;
  return site;
}

/// The functions of a site's stack, innermost first, as the document's description says.
std::vector<std::string> functions(const Json& json, const Json& site) {
  std::vector<std::string> names;
  const Json& outer = json["stack_table"]["outer"];
  const Json& frame = json["stack_table"]["frame"];
  for (std::size_t row = site["stack_id"];; row -= outer[row].get<std::size_t>()) {
    names.push_back(json["frame_table"][frame[row].get<std::size_t>()]["function"]);
    if (outer[row] == 0)
      return names;
  }
}

TEST_CASE("a compact snapshot is a snapshot but for the stacks", "[compact]") {
  const Report report = full_report();
  const Json plain = Json::parse(render_json(report));
  const Json compact = rendered_compact(report);
  CHECK(compact["schema"] == "leakbpf.snapshot-compact/1");
  for (const auto& [key, value] : plain.items())
    if (key != "schema" && key != "sites")
      CHECK(compact[key] == value);
  REQUIRE(compact["sites"].size() == plain["sites"].size());
  for (std::size_t i = 0; i < plain["sites"].size(); i++) {
    Json without = plain["sites"][i];
    without.erase("frames");
    for (const auto& [key, value] : without.items())
      CHECK(compact["sites"][i][key] == value);
    CHECK_FALSE(compact["sites"][i].contains("frames"));
  }
  CHECK(compact["sites"][0]["source"] == "items_.push_back(item);");
  CHECK_FALSE(compact["sites"][1].contains("source"));
}

TEST_CASE("a frame is written once, whether handles share it or not", "[compact]") {
  const FrameRef shared = native_frame("shared", "a.cpp", 1);
  Report report = sample_report();
  report.sites = {site_of({native_frame("f", "a.cpp", 2), shared}),
                  site_of({native_frame("f", "a.cpp", 2), native_frame("f", "a.cpp", 3), shared})};
  const Json json = rendered_compact(report);
  REQUIRE(json["frame_table"].size() == 3);
  CHECK(json["frame_table"][0] == Json::parse(render_json(report))["sites"][0]["frames"][1]);
  CHECK(functions(json, json["sites"][0]) == std::vector<std::string>{"f", "shared"});
  CHECK(functions(json, json["sites"][1]) == std::vector<std::string>{"f", "f", "shared"});
}

TEST_CASE("stacks share their outer frames", "[compact]") {
  const FrameRef main = native_frame("main", "a.cpp", 1);
  const FrameRef work = native_frame("work", "a.cpp", 2);
  Report report = sample_report();
  report.sites = {site_of({work, main}), site_of({work, work, main}), site_of({main}),
                  site_of({work, main}), site_of({work})};
  const Json json = rendered_compact(report);
  CHECK(json["stack_table"]["outer"] == Json({0, 1, 1, 0}));
  CHECK(json["stack_table"]["frame"] == Json({0, 1, 1, 1}));
  std::vector<int> rows;
  for (const Json& site : json["sites"])
    rows.push_back(site["stack_id"]);
  CHECK(rows == std::vector<int>{1, 2, 0, 1, 3});
}

TEST_CASE("a site without frames has no stack", "[compact]") {
  Report report = sample_report();
  report.sites.resize(1);
  report.sites[0].frames.clear();
  const Json json = rendered_compact(report);
  CHECK(json["sites"][0]["stack_id"].is_null());
  CHECK(json["sites"][0]["culprit"].is_null());
  CHECK(json["frame_table"] == Json::array());
  CHECK(json["stack_table"] == Json{{"outer", Json::array()}, {"frame", Json::array()}});
}

TEST_CASE("many deep stacks take little room", "[compact]") {
  Report report = sample_report();
  std::vector<FrameRef> pool;
  for (std::uint32_t i = 0; i < 300; i++)
    pool.emplace_back(native_frame("function_" + std::to_string(i), "/src/file.cpp", i + 1));
  report.sites.clear();
  for (std::size_t i = 0; i < 1000; i++) {
    Frames frames;
    for (std::size_t depth = 0; depth < 60; depth++)
      frames.push_back(pool[(depth < 10 ? i * 7 + depth : depth) % pool.size()]);
    report.sites.push_back(site_of(frames));
  }
  const std::string compact = render_compact(report);
  CHECK(compact.size() * 10 < render_json(report).size());
  CHECK(gzip(compact, 1).size() < 100'000);
}

TEST_CASE("bytes that are no UTF-8 do not break a compact snapshot", "[compact]") {
  Report report = sample_report();
  report.sites[0].source = "\xff";
  report.sites[0].frames = {native_frame("f\x80\x1b[2J", "", 0)};
  report.sites[0].culprit = 0;
  const Json json = rendered_compact(report);
  CHECK(json["sites"][0]["source"] == "\uFFFD");
  CHECK(json["frame_table"][0]["function"] == "f\uFFFD\x1b[2J");
}

} // namespace
} // namespace leakbpf
