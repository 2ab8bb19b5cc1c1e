// SPDX-License-Identifier: Apache-2.0
#include "edit_frame.h"
#include "render/speedscope.h"
#include "sample_report.h"

#include <set>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

namespace leakbpf {
namespace {

using Json = nlohmann::json;

Json rendered_speedscope(const Report& report) {
  return Json::parse(render_speedscope(report));
}

/// What the schema requires, and what speedscope requires beyond it.
void check_profile(const Json& profile, std::size_t frames) {
  CHECK(profile.at("type") == "sampled");
  CHECK(profile.at("name").is_string());
  CHECK(profile.at("unit") == "bytes");
  CHECK(profile.at("startValue") == 0);
  std::uint64_t sum = 0;
  for (const Json& weight : profile.at("weights")) {
    CHECK(weight.get<std::uint64_t>() > 0);
    sum += weight.get<std::uint64_t>();
  }
  CHECK(profile.at("endValue") == sum);
  REQUIRE(profile.at("samples").size() == profile.at("weights").size());
  for (const Json& stack : profile.at("samples")) {
    CHECK_FALSE(stack.empty());
    for (const Json& index : stack)
      CHECK(index.get<std::size_t>() < frames);
  }
}

void check_file(const Json& file) {
  CHECK(file.at("$schema") == "https://www.speedscope.app/file-format-schema.json");
  CHECK(file.at("name").is_string());
  CHECK(file.at("exporter").is_string());
  CHECK(file.at("activeProfileIndex") == 0);
  const Json& frames = file.at("shared").at("frames");
  REQUIRE(frames.is_array());
  std::set<Json> distinct;
  for (const Json& frame : frames) {
    CHECK_FALSE(frame.at("name").get<std::string>().empty());
    CHECK(distinct.insert(frame).second);
  }
  REQUIRE_FALSE(file.at("profiles").empty());
  for (const Json& profile : file.at("profiles"))
    check_profile(profile, frames.size());
}

/// Names of a sample's frames, the outermost first.
std::vector<std::string> names_of(const Json& file, std::size_t profile, std::size_t sample) {
  std::vector<std::string> names;
  for (const Json& index : file.at("profiles").at(profile).at("samples").at(sample))
    names.push_back(file.at("shared").at("frames").at(index.get<std::size_t>()).at("name"));
  return names;
}

TEST_CASE("a report has a profile of what is outstanding and one of what was taken",
          "[speedscope]") {
  const Report report = sample_report();
  const Json file = rendered_speedscope(report);
  check_file(file);
  CHECK(file["exporter"] == "leakbpf 0.1.0");
  REQUIRE(file["profiles"].size() == 2);
  CHECK(file["profiles"][0]["name"] == "shop (4242): outstanding");
  CHECK(file["profiles"][0]["weights"] == Json{15 << 20, 4096});
  CHECK(file["profiles"][0]["endValue"] == (15 << 20) + 4096);
  CHECK(file["profiles"][1]["name"] == "shop (4242): allocated");
  CHECK(file["profiles"][1]["weights"] == Json{20 << 20, 4096});
  CHECK(names_of(file, 0, 0) == std::vector<std::string>{"main", "Cart::add", "operator new"});
  CHECK(names_of(file, 1, 1) == std::vector<std::string>{"[stack not recorded]"});
}

TEST_CASE("a frame has its name, its file and its line", "[speedscope]") {
  const Json file = rendered_speedscope(sample_report());
  const Json frames = file["shared"]["frames"];
  REQUIRE(frames.size() == 4);
  CHECK(frames[0] == Json{{"name", "main"}, {"file", "/src/shop/main.cpp"}, {"line", 7}});
  CHECK(frames[1] == Json{{"name", "Cart::add"}, {"file", "/src/shop/cart.cpp"}, {"line", 42}});
  CHECK(frames[2] == Json{{"name", "operator new"}, {"file", "/usr/lib/libstdc++.so.6"}});
  CHECK(frames[3] == Json{{"name", "[stack not recorded]"}});
}

TEST_CASE("frames that look the same are one", "[speedscope]") {
  Report report = sample_report();
  SiteReport again = report.sites[0];
  for (FrameRef& frame : again.frames)
    edit_frame(frame, [](Frame& edited) { edited.offset = 0x9999; });
  report.sites.push_back(again);
  const Json file = rendered_speedscope(report);
  check_file(file);
  CHECK(file["shared"]["frames"].size() == 4);
  CHECK(file["profiles"][0]["samples"][2] == file["profiles"][0]["samples"][0]);
}

TEST_CASE("each target has its profiles, and their weights are its bytes", "[speedscope]") {
  Report report = sample_report();
  TargetReport other = report.targets[0];
  other.pid = 17;
  report.targets.push_back(other);
  other.pid = 18; // took nothing
  report.targets.push_back(other);
  report.sites[1].target = 1;
  report.sites.push_back(report.sites[0]);
  report.sites[2].totals = {64, 1, 64, 1}; // outstanding: nothing
  report.sites[2].target = 77;             // a damaged snapshot
  const Json file = rendered_speedscope(report);
  check_file(file);
  std::vector<std::pair<std::string, std::uint64_t>> totals;
  for (const Json& profile : file["profiles"])
    totals.emplace_back(profile["name"], profile["endValue"]);
  CHECK(totals ==
        std::vector<std::pair<std::string, std::uint64_t>>{{"shop (4242): outstanding", 15 << 20},
                                                           {"shop (4242): allocated", 20 << 20},
                                                           {"shop (17): outstanding", 4096},
                                                           {"shop (17): allocated", 4096},
                                                           {"other processes: allocated", 64}});
}

TEST_CASE("a report without sites can be opened too", "[speedscope]") {
  Report report = sample_report();
  report.sites.clear();
  const Json file = rendered_speedscope(report);
  check_file(file);
  CHECK(file["profiles"].size() == 1);
  check_file(rendered_speedscope(Report{}));
}

TEST_CASE("a stack without frames is unknown", "[speedscope]") {
  Report report = sample_report();
  report.sites[0].frames.clear();
  report.sites[1].frames = {Frame{}};
  const Json file = rendered_speedscope(report);
  check_file(file);
  CHECK(names_of(file, 0, 0) == std::vector<std::string>{"[unknown]"});
  CHECK(names_of(file, 0, 1) == std::vector<std::string>{"[unknown]"});
}

TEST_CASE("names of any bytes make valid JSON", "[speedscope]") {
  Report report = sample_report();
  report.targets[0].comm = "sh\xc3\x1b\"op";
  edit_frame(report.sites[0].frames[2], [](Frame& frame) {
    frame.function = "\xff\"\\\n";
    frame.file = "/\xf0\x9f\x98";
  });
  const std::string text = render_speedscope(report);
  CHECK(text.find('\x1b') == std::string::npos);
  const Json file = Json::parse(text);
  check_file(file);
  CHECK(names_of(file, 0, 0)[0] == "\xef\xbf\xbd\"\\\\x0a");
}

TEST_CASE("a diff has a profile of what grew and one of what shrank", "[speedscope]") {
  Diff diff;
  diff.version = "0.1.0";
  diff.before.file = "monday.json";
  diff.after.file = "friday.json";
  DiffRow row;
  row.frames = sample_site().frames;
  row.before = DiffFigures{{100, 2, 50, 1}, {}, {}};
  row.after = DiffFigures{{400, 2, 0, 0}, {}, {}};
  diff.rows.push_back(row); // grew by 350
  row.before.reset();
  diff.rows.push_back(row); // new: 400
  row.before = DiffFigures{{30, 2, 0, 0}, {}, {}};
  row.after.reset();
  diff.rows.push_back(row); // gone: 30
  row.after = row.before;
  diff.rows.push_back(row); // the same
  const Json file = Json::parse(render_speedscope(diff));
  check_file(file);
  CHECK(file["name"] == "monday.json to friday.json");
  REQUIRE(file["profiles"].size() == 2);
  CHECK(file["profiles"][0]["name"] == "grew");
  CHECK(file["profiles"][0]["weights"] == Json{350, 400});
  CHECK(file["profiles"][1]["name"] == "shrank");
  CHECK(file["profiles"][1]["weights"] == Json{30});
  check_file(Json::parse(render_speedscope(Diff{})));
}

} // namespace
} // namespace leakbpf
