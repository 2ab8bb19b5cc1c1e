// SPDX-License-Identifier: Apache-2.0
#include "edit_frame.h"
#include "render/json.h"
#include "sample_report.h"

#include <limits>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

namespace leakbpf {
namespace {

using Json = nlohmann::json;

Json render(const Report& report) {
  return Json::parse(render_json(report));
}

/// A place in the document and what may be there: o(bject), a(rray), s(tring), n(umber),
/// b(oolean), 0 (null).
struct Rule {
  std::string pointer;
  std::string types;
};

char type_of(const Json& value) {
  switch (value.type()) {
  case Json::value_t::object:
    return 'o';
  case Json::value_t::array:
    return 'a';
  case Json::value_t::string:
    return 's';
  case Json::value_t::boolean:
    return 'b';
  case Json::value_t::null:
    return '0';
  default:
    return 'n';
  }
}

void check_rules(const Json& json, const std::string& base, const std::vector<Rule>& rules) {
  for (const Rule& rule : rules) {
    const Json::json_pointer pointer(base + rule.pointer);
    CAPTURE(base + rule.pointer);
    REQUIRE(json.contains(pointer));
    CHECK(rule.types.find(type_of(json.at(pointer))) != std::string::npos);
  }
}

const std::vector<Rule> kDocument{
    {"/schema", "s"},
    {"/tool/version", "s"},
    {"/host/hostname", "s"},
    {"/host/kernel", "s"},
    {"/host/arch", "s"},
    {"/host/cpus", "n"},
    {"/started_at", "s"},
    {"/duration_s", "n"},
    {"/sampling/mean_bytes", "n"},
    {"/sampling/exact", "b"},
    {"/overhead/probe_hits", "n"},
    {"/overhead/percent_of_one_core", "n"},
    {"/overhead/duty_cycle", "n"},
    {"/overhead/present_percent_of_one_core", "n"},
    {"/losses/live_table_full", "n"},
    {"/losses/stack_table_full", "n"},
    {"/losses/site_table_full", "n"},
    {"/losses/unwind_truncated", "n"},
    {"/losses/unwind_failed", "n"},
    {"/losses/missed_returns", "n"},
    {"/losses/events_dropped", "n"},
    {"/targets", "a"},
    {"/suppressed/sites", "n"},
    {"/suppressed/bytes", "n"},
    {"/suppressed/count", "n"},
    {"/suppressed/rules", "a"},
    {"/site_count", "n"},
    {"/series_t_s", "a"},
    {"/sites", "a"},
    {"/history", "a"},
};

const std::vector<Rule> kTarget{
    {"/pid", "n"},
    {"/ppid", "n"},
    {"/comm", "s"},
    {"/cmdline", "s"},
    {"/exe", "s"},
    {"/cgroup", "s"},
    {"/container", "0"},
    {"/pid_in_namespace", "0"},
    {"/started_at", "s"},
    {"/ended", "0"},
    {"/rss_start_bytes", "n"},
    {"/rss_end_bytes", "n"},
    {"/rss_growth_bytes_per_min", "n"},
    {"/memory_limit_bytes", "n"},
    {"/limit_source", "s"},
    {"/seconds_to_limit", "n"},
    {"/outstanding_bytes", "n"},
    {"/outstanding_count", "n"},
    {"/explained_percent", "n"},
    {"/verdict/severity", "s"},
    {"/verdict/reasons", "a"},
};

const std::vector<Rule> kSite{
    {"/rank", "n"},
    {"/pid", "n"},
    {"/processes", "n"},
    {"/target", "n"},
    {"/kind", "s"},
    {"/stack", "s"},
    {"/outstanding_bytes", "n"},
    {"/outstanding_count", "n"},
    {"/allocated_bytes", "n"},
    {"/allocated_count", "n"},
    {"/freed_bytes", "n"},
    {"/freed_count", "n"},
    {"/growth_bytes_per_min", "n0"},
    {"/oldest_age_s", "n0"},
    {"/median_age_s", "n0"},
    {"/survival_percent", "n0"},
    {"/old_survival_percent", "n0"},
    {"/survival_age_s", "n0"},
    {"/severity", "s0"},
    {"/score", "n0"},
    {"/reasons", "a"},
    {"/estimated", "b"},
    {"/standard_error_bytes", "n0"},
    {"/culprit", "n"},
    {"/frames", "a"},
};

const std::vector<Rule> kFrame{
    {"/kind", "s"},    {"/function", "s0"}, {"/module", "s0"}, {"/build_id", "s0"},
    {"/offset", "s0"}, {"/file", "s0"},     {"/line", "n0"},   {"/inlined", "b"},
};

TEST_CASE("every key of the schema is there with its type", "[json]") {
  const Json json = render(sample_report());
  check_rules(json, "", kDocument);
  check_rules(json, "/targets/0", kTarget);
  for (const std::string site : {"/sites/0", "/sites/1"}) {
    check_rules(json, site, kSite);
    check_rules(json, site + "/frames/0", kFrame);
  }
  std::vector<Rule> history{{"/t_s", "n"}, {"/pid", "n"}};
  for (const std::string part :
       {"rss", "outstanding", "anonymous", "file", "shared", "swap", "cgroup"})
    history.push_back({"/" + part + "_bytes", "n"});
  check_rules(json, "/history/0", history);
}

TEST_CASE("a process's container is an object, what is not known of it null", "[json]") {
  Report report = sample_report();
  report.targets[0].namespaced_pid = 7;
  report.targets[0].container = Container{"3f2a9c", "docker", "", ""};
  const Json target = render(report)["targets"][0];
  CHECK(target["pid_in_namespace"] == 7);
  CHECK(target["container"] ==
        Json{{"id", "3f2a9c"}, {"runtime", "docker"}, {"pod_uid", nullptr}, {"pod_name", nullptr}});
}

TEST_CASE("the values are the report's", "[json]") {
  const Json json = render(sample_report());
  CHECK(json["schema"] == "leakbpf.snapshot/1");
  CHECK(json["duration_s"] == 62.0);
  CHECK(json["overhead"]["percent_of_one_core"] == 0.84);
  const Json& target = json["targets"][0];
  CHECK(target["rss_growth_bytes_per_min"] == 20 << 20);
  CHECK(target["explained_percent"] == 75.0);
  CHECK(target["memory_limit_bytes"] == 512 << 20);
  CHECK(target["limit_source"] == "cgroup /system.slice/shop.service");
  CHECK(target["seconds_to_limit"] == 1176.0);
  CHECK(target["verdict"] ==
        Json{{"severity", "critical"}, {"reasons", {"the limit of 512 MB is reached in 20 min"}}});
  const Json& site = json["sites"][0];
  CHECK(site["kind"] == "heap");
  CHECK(site["outstanding_bytes"] == 15 << 20);
  CHECK(site["outstanding_count"] == 15360);
  CHECK(site["survival_percent"] == 75.0);
  CHECK(site["old_survival_percent"] == 74.5);
  CHECK(site["survival_age_s"] == 30.0);
  CHECK(site["severity"] == "high");
  CHECK(site["score"] == 0.9);
  CHECK(site["reasons"].size() == 2);
  CHECK(site["stack"] == "0x4d");
  CHECK(site["culprit"] == 1);
  CHECK(json["sites"][1]["kind"] == "mmap");
  CHECK(json["sites"][1]["severity"].is_null());
}

TEST_CASE("the points of a site's series belong to the document's times", "[json]") {
  const Json json = render(sample_report());
  CHECK(json["series_t_s"] == Json({0.0, 31.0, 62.0}));
  CHECK(json["sites"][0]["series"] == Json({0, 7 << 20, 15 << 20}));
  CHECK_FALSE(json["sites"][1].contains("series"));
}

TEST_CASE("sizes are whole numbers", "[json]") {
  const Json json = render(sample_report());
  for (const Json* object : {&json["targets"][0], &json["sites"][0], &json["history"][0]})
    for (const auto& [key, value] : object->items())
      if (key.ends_with("_bytes") && key != "standard_error_bytes") {
        CAPTURE(key);
        CHECK(value.is_number_unsigned());
      }
}

TEST_CASE("what was hidden is counted", "[json]") {
  Report report = sample_report();
  report.suppressed = {{{"libssl", 2, 300}}, 3, 500, 7};
  report.site_count = 1502;
  const Json json = render(report);
  CHECK(json["suppressed"] ==
        Json{{"sites", 3},
             {"bytes", 500},
             {"count", 7},
             {"held", 0},
             {"rules", Json::array({{{"pattern", "libssl"}, {"sites", 2}, {"bytes", 300}}})}});
  CHECK(json["site_count"] == 1502);
}

TEST_CASE("sampling and its cost are told", "[json]") {
  Report report = sample_report();
  report.sampling = {32768, false};
  report.overhead = {70, 2.5, 0.04, 2.75};
  report.targets[0].overhead = Overhead{60, 2.25, 0.05, std::nullopt};
  const Json json = render(report);
  CHECK(json["sampling"] == Json{{"mean_bytes", 32768}, {"exact", false}});
  CHECK(json["overhead"] == Json{{"probe_hits", 70},
                                 {"percent_of_one_core", 2.5},
                                 {"duty_cycle", 0.04},
                                 {"present_percent_of_one_core", 2.75}});
  CHECK(json["targets"][0]["overhead"] == Json{{"probe_hits", 60},
                                               {"percent_of_one_core", 2.25},
                                               {"duty_cycle", 0.05},
                                               {"present_percent_of_one_core", nullptr}});
}

TEST_CASE("frames are written innermost first, addresses in hex", "[json]") {
  const Json json = render(sample_report());
  const Json& frames = json["sites"][0]["frames"];
  REQUIRE(frames.size() == 3);
  const Json expected{{"kind", "native"},
                      {"function", "Cart::add(Item const&)"},
                      {"module", "/srv/app/shop"},
                      {"build_id", "abcdef01"},
                      {"offset", "0x1234"},
                      {"file", "/src/shop/cart.cpp"},
                      {"line", 42},
                      {"inlined", true}};
  CHECK(frames[1] == expected);
  CHECK(json["sites"][1]["frames"][0]["kind"] == "note");
}

TEST_CASE("unknown is null, never 0", "[json]") {
  Report report = sample_report();
  report.overhead.percent_of_one_core.reset();
  report.targets[0] = TargetReport{};
  report.sites[0].growth_bytes_per_minute.reset();
  report.sites[0].oldest_age_seconds.reset();
  report.sites[0].median_age_seconds.reset();
  report.sites[0].old_survival_percent.reset();
  report.sites[0].survival_age_seconds.reset();
  report.sites[0].score.reset();
  report.sites[0].verdict = {};
  report.sites[0].standard_error_bytes.reset();
  report.sites[0].totals = {};
  report.sites[0].frames = {Frame{}};
  report.sites[1].frames.clear();
  report.duration_seconds = std::numeric_limits<double>::quiet_NaN();
  const Json json = render(report);
  std::vector<Rule> rules{{"/overhead/percent_of_one_core", "0"},
                          {"/duration_s", "0"},
                          {"/history/1/rss_bytes", "0"},
                          {"/history/1/cgroup_bytes", "0"},
                          {"/sites/1/culprit", "0"}};
  for (const std::string key :
       {"exe", "cgroup", "started_at", "ended", "rss_start_bytes", "rss_end_bytes",
        "rss_growth_bytes_per_min", "explained_percent", "memory_limit_bytes", "limit_source",
        "seconds_to_limit", "verdict/severity"})
    rules.push_back({"/targets/0/" + key, "0"});
  for (const std::string key :
       {"growth_bytes_per_min", "oldest_age_s", "median_age_s", "survival_percent",
        "old_survival_percent", "survival_age_s", "severity", "score", "standard_error_bytes"})
    rules.push_back({"/sites/0/" + key, "0"});
  for (const std::string key : {"function", "module", "build_id", "offset", "file", "line"})
    rules.push_back({"/sites/0/frames/0/" + key, "0"});
  check_rules(json, "", rules);
}

TEST_CASE("a target that ended says how and when", "[json]") {
  Report report = sample_report();
  report.targets[0].ended = TargetEnd{"killed by signal 9 (Killed)", 12.5};
  const Json json = render(report);
  CHECK(json["targets"][0]["ended"] ==
        Json{{"how", "killed by signal 9 (Killed)"}, {"at_s", 12.5}});
}

TEST_CASE("a target's interpreter", "[json]") {
  Report report = sample_report();
  CHECK_FALSE(render(report)["targets"][0].contains("python"));
  PythonReport& python = report.targets[0].python.emplace();
  python.version = "3.11";
  Json json = render(report)["targets"][0]["python"];
  CHECK(json["version"] == "3.11");
  CHECK(json["frames"] == true);
  CHECK(json["arenas"].is_null());
  CHECK(json["gc"].is_null());
  python.small_objects = {3, 3 << 20, 190, 190 * 16384, 1000};
  python.collections = {5, 1.5, 0.75};
  json = render(report)["targets"][0];
  CHECK(json["python"]["arenas"] == 3);
  CHECK(json["python"]["arena_bytes"] == 3 << 20);
  CHECK(json["python"]["pools"] == 190);
  CHECK(json["python"]["live_bytes"] == 1000);
  CHECK(json["python"]["gc"]["collections"] == 5);
  CHECK(json["python"]["gc"]["pause_max_s"] == 0.75);
  const std::string pause = "Python's garbage collector stopped the program for up to 750 ms";
  CHECK(json["verdict"]["reasons"].size() == 2);
  CHECK(json["verdict"]["reasons"].back() == pause);
  report.targets[0].verdict.reasons = {pause, "grows"};
  CHECK(render(report)["targets"][0]["verdict"]["reasons"] == Json({pause, "grows"}));
}

TEST_CASE("Python frames and what they hold", "[json]") {
  Report report = sample_report();
  report.sites[0].key.kind = LEAKBPF_KIND_PYTHON;
  report.sites[0].estimated = true;
  report.sites[0].standard_error_bytes.reset();
  report.sites[0].source = "items.append(x)";
  report.sites[0].frames[1] =
      Frame{FrameKind::python, "remember", "", "", std::nullopt, "/srv/cart.py", 42, false};
  const Json site = render(report)["sites"][0];
  CHECK(site["kind"] == "python");
  CHECK(site["estimated"] == true);
  CHECK(site["standard_error_bytes"].is_null());
  CHECK(site["frames"][1]["kind"] == "python");
  CHECK(site["frames"][1]["module"].is_null());
  CHECK(site["frames"][1]["line"] == 42);
  CHECK(site["frames"][1]["source"] == "items.append(x)");
  CHECK_FALSE(site["frames"][0].contains("source"));
}

TEST_CASE("every loss is written under its own key", "[json]") {
  Report report = sample_report();
  for (std::size_t i = 0; i < report.losses.size(); i++)
    report.losses[i] = 100 + i;
  const Json json = render(report);
  CHECK(json["losses"].size() == LEAKBPF_LOSS_COUNT);
  CHECK(json["losses"]["live_table_full"] == 100 + LEAKBPF_LOSS_LIVE_TABLE_FULL);
  CHECK(json["losses"]["events_dropped"] == 100 + LEAKBPF_LOSS_EVENTS_DROPPED);
}

TEST_CASE("bytes that are no UTF-8 do not break the document", "[json]") {
  Report report = sample_report();
  report.targets[0].comm = "sh\xffop";
  report.targets[0].command_line = "\xc3";
  edit_frame(report.sites[0].frames[1], [](Frame& frame) { frame.function = "f\x80\x1b[2J"; });
  const std::string text = render_json(report);
  const Json json = Json::parse(text);
  CHECK(json["targets"][0]["comm"] == "sh\uFFFDop");
  CHECK(json["sites"][0]["frames"][1]["function"] == "f\uFFFD\x1b[2J");
  CHECK(text.find('\x1b') == std::string::npos);
}

TEST_CASE("an empty report is a whole document", "[json]") {
  const std::string text = render_json(Report{});
  CHECK(text.ends_with("}\n"));
  const Json json = Json::parse(text);
  CHECK(json["targets"].empty());
  CHECK(json["targets"].is_array());
  CHECK(json["sites"].is_array());
  CHECK(json["history"].is_array());
}

} // namespace
} // namespace leakbpf
