// SPDX-License-Identifier: Apache-2.0
#include "base/escape.h"
#include "edit_frame.h"
#include "render/table.h"
#include "sample_report.h"

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using Catch::Matchers::StartsWith;

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);)
    lines.push_back(line);
  return lines;
}

const std::string kWide =
    "PID 4242 shop   RSS 120 MB (+20.0 MB/min)   outstanding 15.0 MB in 15,360 blocks\n  critical: "
    "the limit of 512 MB is reached in 20 min\n1m02s   every heap block tracked   probes cost 0.8% "
    "of a core   1,234,567 hits\n   #  severity  outstanding      count   growth/min  oldest  kind "
    "   culprit\n   1  high          15.0 MB     15,360     +15.0 MB   1m01s  heap    Cart::add at "
    "cart.cpp:42\n   2                 4.0 KB          1            -       -  mmap    [stack not "
    "recorded]\n";

const std::string kCut =
    "PID 4242 shop   RSS 120 MB (+20.0 MB/min)   outstanding 15.0 MB in 15,360 blocks\n  critical: "
    "the limit of 512 MB is reached in 20 min\n1m02s   every heap block tracked   probes cost 0.8% "
    "of a core   1,234,567 hits\n   #  severity  outstanding      count   growth/min  oldest  kind "
    "   culprit\n   1  high          15.0 MB     15,360     +15.0 MB   1m01s  heap\n      "
    "Cart::add at cart.cpp:42\n   2                 4.0 KB          1            -       -  mmap\n "
    "     [stack not recorded]\n";

TEST_CASE("a report is a table", "[table]") {
  CHECK(render_table(sample_report(), {}) == kWide);
}

TEST_CASE("of mappings that are hardly used the row is what is in use", "[table]") {
  Report report = sample_report();
  SiteReport& site = report.sites[0];
  site.key.kind = LEAKBPF_KIND_MMAP;
  site.resident_bytes = site.totals.outstanding_bytes() / 10;
  const std::vector<std::string> lines = lines_of(render_table(report, {}));
  CHECK_THAT(lines.at(4), StartsWith("   1  high           1.5 MB     15,360      +1.5 MB"));
  CHECK(lines.at(5) == "        in use, of 15.0 MB of address space (+15.0 MB/min)");
  site.resident_bytes = site.totals.outstanding_bytes() * 9 / 10;
  CHECK_THAT(lines_of(render_table(report, {})).at(4), StartsWith("   1  high          15.0 MB"));
}

TEST_CASE("a target's interpreter has a line of its own", "[table]") {
  Report report = sample_report();
  PythonReport& python = report.targets[0].python.emplace();
  python.version = "3.11";
  CHECK(lines_of(render_table(report, {})).at(1) == "  Python 3.11");
  python.small_objects = {64, 64 << 20, 3900, 61 << 20, 54 << 20};
  python.collections = {1234, 2.5, 0.0412};
  CHECK(lines_of(render_table(report, {}))[1] ==
        "  Python 3.11   small objects: 54.0 MB live in 61.0 MB of pools, 64 arenas of 64.0 MB in "
        "all   garbage collector: 1,234 runs, longest 41.2 ms");
  python.collections->longest_seconds = 0.8;
  report.targets[0].verdict = {Severity::none,
                               {"RSS does not grow", long_pause(report.targets[0])}};
  CHECK(lines_of(render_table(report, {}))[2] ==
        "  none: RSS does not grow; Python's garbage collector stopped the program for up to 800 "
        "ms");
  python = {"3.7", "Python 3.7 is not understood", std::nullopt, std::nullopt};
  CHECK(lines_of(render_table(report, {}))[1] ==
        "  Python 3.7   native stacks only: Python 3.7 is not understood");
}

/// `count` processes that are the same but for their PIDs, 100 and so on.
Report report_of_many(int count) {
  Report report = sample_report();
  TargetReport one = report.targets[0];
  one.verdict = {Severity::none, {"RSS does not grow"}};
  one.rss_growth_bytes_per_minute = 0;
  report.targets.clear();
  for (int i = 0; i < count; i++) {
    one.pid = 100 + i;
    report.targets.push_back(one);
  }
  return report;
}

TEST_CASE("many processes have a row each, the worst first", "[table]") {
  Report report = report_of_many(4);
  report.targets[1].comm = "uvicorn";
  report.targets[1].verdict = {Severity::high, {"RSS grows 20.0 MB/min", "and so on"}};
  report.targets[1].rss_growth_bytes_per_minute = 20 << 20;
  report.targets[2].outstanding_bytes = 30 << 20;
  report.targets[3].rss_growth_bytes_per_minute = std::nullopt;
  report.targets[3].rss_end_bytes = std::nullopt;
  report.targets[3].verdict = {};
  report.targets[3].ended = TargetEnd{"exited with 0", 61};
  report.sites.clear();
  const std::string expected =
      "     PID  process          severity        RSS   growth/min  outstanding\n"
      "     101  uvicorn          high         120 MB     +20.0 MB      15.0 MB  RSS grows 20.0 "
      "MB/min\n"
      "     102  shop             none         120 MB          0 B      30.0 MB\n"
      "     100  shop             none         120 MB          0 B      15.0 MB\n"
      "     103  shop                               -            -      15.0 MB  exited with 0 "
      "after 1m01s\n";
  CHECK(render_table(report, {}).substr(0, expected.size()) == expected);
}

TEST_CASE("rows of processes say where they are", "[table]") {
  Report report = report_of_many(4);
  report.targets[0].container = Container{std::string(64, 'a'), "docker", "", ""};
  report.targets[1].container = Container{std::string(64, 'b'), "containerd", "uid", "shop-5d9f"};
  report.targets[1].namespaced_pid = 7;
  report.targets[2].namespaced_pid = 12;
  const auto lines = lines_of(render_table(report, {}));
  CHECK_THAT(lines[0], EndsWith("  outstanding  container"));
  CHECK_THAT(lines[1], EndsWith("      15.0 MB  aaaaaaaaaaaa"));
  CHECK_THAT(lines[2], EndsWith("      15.0 MB  7 in shop-5d9f"));
  CHECK_THAT(lines[3], EndsWith("      15.0 MB  12"));
  CHECK_THAT(lines[4], EndsWith("      15.0 MB"));
  report.targets[1].container->pod_name = std::string(40, 'a') + "-7c9d8f6b5-x2k4q";
  CHECK_THAT(lines_of(render_table(report, {}))[2],
             EndsWith("      15.0 MB  7 in ..aaaaaaaaa-7c9d8f6b5-x2k4q"));
}

TEST_CASE("where a terminal is narrow the culprit stands under its numbers", "[table]") {
  const Report report = sample_report();
  const auto wide = lines_of(render_table(report, {false, false, 160}));
  const auto narrow = lines_of(render_table(report, {false, false, 80}));
  CHECK(narrow.size() == wide.size() + report.sites.size());
  const auto has_culprit = [](const std::string& line) {
    return line.find("Cart::add at cart.cpp:42") != std::string::npos;
  };
  const auto in_wide = std::find_if(wide.begin(), wide.end(), has_culprit);
  const auto in_narrow = std::find_if(narrow.begin(), narrow.end(), has_culprit);
  REQUIRE(in_wide != wide.end());
  REQUIRE(in_narrow != narrow.end());
  CHECK_THAT(*in_wide, StartsWith("   1  "));
  CHECK_THAT(*in_narrow, StartsWith("      Cart::add"));
}

TEST_CASE("rows that no -n would show are not offered", "[table]") {
  Report report = sample_report();
  report.site_count = 9;
  CHECK_THAT(render_table(report, {}), ContainsSubstring("      7 more rows (-n shows more)"));
  report.sites.back().behind = true;
  CHECK_THAT(render_table(report, {}), !ContainsSubstring("more rows"));
  CHECK_THAT(render_table(report, {.stacks = true}), ContainsSubstring("7 more rows"));
}

TEST_CASE("where a pattern hides all rows this is said", "[table]") {
  Report report = sample_report();
  report.sites.clear();
  TableStyle style;
  style.filtered = true;
  CHECK_THAT(render_table(report, style), ContainsSubstring("no row matches --filter"));
  CHECK_THAT(render_table(report, {}),
             ContainsSubstring("nothing allocated since leakbpf attached"));
}

TEST_CASE("of very many processes some are left out, and counted", "[table]") {
  Report report = report_of_many(40);
  report.targets[7].outstanding_bytes = 1 << 30;
  const auto lines = lines_of(render_table(report, {}));
  CHECK_THAT(lines[1], ContainsSubstring(" 107  shop"));
  CHECK_THAT(lines[12], ContainsSubstring(" 111  shop"));
  CHECK_THAT(lines[13], ContainsSubstring("and 28 more processes"));
}

TEST_CASE("a process in a container has both of its PIDs", "[table]") {
  Report report = sample_report();
  TargetReport& target = report.targets[0];
  const auto first_line = [&] { return lines_of(render_table(report, {}))[0]; };
  target.namespaced_pid = 7;
  CHECK_THAT(first_line(), StartsWith("PID 4242 (7 in its own PID namespace) shop   RSS"));
  target.container = Container{"3f2a9c0b17d2" + std::string(52, 'a'), "docker", "", ""};
  CHECK_THAT(first_line(), StartsWith("PID 4242 (7 in container 3f2a9c0b17d2) shop"));
  target.container->pod_uid = "5f0f3b9e";
  CHECK_THAT(first_line(), StartsWith("PID 4242 (7 in container 3f2a9c0b17d2, pod 5f0f3b9e) shop"));
  target.container->pod_name = "shop-5d9f";
  CHECK_THAT(first_line(),
             StartsWith("PID 4242 (7 in container 3f2a9c0b17d2, pod shop-5d9f) shop"));
  target.namespaced_pid.reset();
  target.container = Container{"web", "lxc", "", ""};
  CHECK_THAT(first_line(), StartsWith("PID 4242 (container web) shop"));
}

TEST_CASE("a row of several processes says of how many", "[table]") {
  Report report = sample_report();
  report.targets.push_back(report.targets[0]);
  report.sites[0].processes = 4;
  const auto lines = lines_of(render_table(report, {}));
  CHECK_THAT(lines.at(5), ContainsSubstring("kind            PID  culprit"));
  CHECK_THAT(lines.at(6), ContainsSubstring("heap    4 processes  Cart::add"));
  CHECK_THAT(lines.at(7), ContainsSubstring("mmap           4242  [stack not recorded]"));
}

TEST_CASE("a culprit's source is shown behind it", "[table]") {
  Report report = sample_report();
  report.sites[0].source = "items_.push_back(item);";
  CHECK_THAT(render_table(report, {}),
             ContainsSubstring("Cart::add at cart.cpp:42: items_.push_back(item);"));
}

TEST_CASE("a table is cut to its width", "[table]") {
  CHECK(render_table(sample_report(), {.width = 80}) == kCut);
}

TEST_CASE("a line is never cut inside a character", "[table]") {
  Report report = sample_report();
  edit_frame(report.sites[0].frames[1],
             [](Frame& frame) { frame.function = "größe_日本語_größe"; });
  const std::string whole = render_table(report, {});
  for (std::size_t width = 60; width < 110; width++) {
    const auto lines = lines_of(render_table(report, {.width = width}));
    for (const std::string& line : lines) {
      CHECK(text_columns(line) <= width);
      // A culprit may stand under its numbers.
      const std::string text = line.substr(std::min(line.find_first_not_of(' '), line.size()));
      const std::size_t at = whole.find(text);
      REQUIRE(at != std::string::npos);
      CHECK((static_cast<unsigned char>(whole[at + text.size()]) & 0xC0) != 0x80);
    }
  }
}

TEST_CASE("stacks are shown when they are asked for, with the culprit marked", "[table]") {
  const auto lines = lines_of(render_table(sample_report(), {.stacks = true}));
  const std::vector<std::string> expected{
      "        operator new (libstdc++.so.6)",
      "      > Cart::add at cart.cpp:42 (inlined)",
      "        main at main.cpp:7",
  };
  CHECK(std::search(lines.begin(), lines.end(), expected.begin(), expected.end()) != lines.end());
}

TEST_CASE("losses are named, with what helps", "[table]") {
  Report report = sample_report();
  CHECK_THAT(render_table(report, {}), !ContainsSubstring("lost:"));
  report.losses[LEAKBPF_LOSS_LIVE_TABLE_FULL] = 12345;
  report.losses[LEAKBPF_LOSS_EVENTS_DROPPED] = 1;
  const std::string text = render_table(report, {});
  CHECK_THAT(text, ContainsSubstring("lost: 12,345 blocks not tracked"));
  CHECK_THAT(text, ContainsSubstring("--max-live"));
  CHECK_THAT(text, ContainsSubstring("lost: 1 events dropped"));
}

TEST_CASE("rows of several targets show whose they are", "[table]") {
  Report report = sample_report();
  CHECK_THAT(lines_of(render_table(report, {})).at(3), !ContainsSubstring("PID"));
  TargetReport other = report.targets[0];
  other.pid = 17;
  other.ended = TargetEnd{"exited with 0", 61};
  report.targets.push_back(other);
  report.sites[1].pid = 17;
  const auto lines = lines_of(render_table(report, {}));
  CHECK_THAT(lines.at(2), ContainsSubstring("PID 17 shop"));
  CHECK_THAT(lines.at(2), ContainsSubstring("exited with 0 after 1m01s"));
  CHECK_THAT(lines.at(5), ContainsSubstring("kind        PID  culprit"));
  CHECK_THAT(lines.at(6), ContainsSubstring("heap       4242  Cart::add"));
  CHECK_THAT(lines.at(7), ContainsSubstring("mmap         17  [stack not recorded]"));
}

TEST_CASE("escapes are written only when colour is wanted", "[table]") {
  Report report = sample_report();
  report.losses[LEAKBPF_LOSS_MISSED_RETURNS] = 3;
  CHECK_THAT(render_table(report, {.stacks = true}), !ContainsSubstring("\x1b"));
  const std::string text = render_table(report, {.stacks = true, .color = true});
  CHECK_THAT(text, ContainsSubstring("\x1b[1mPID 4242"));
  CHECK_THAT(text, ContainsSubstring("\x1b[33mlost: 3"));
  for (const std::string& line : lines_of(text))
    if (line.starts_with("\x1b"))
      CHECK(line.ends_with("\x1b[0m"));
}

TEST_CASE("colour does not count as width", "[table]") {
  const auto plain = lines_of(render_table(sample_report(), {.width = 40}));
  const auto colored = lines_of(render_table(sample_report(), {.color = true, .width = 40}));
  REQUIRE(plain.size() == colored.size());
  for (std::size_t i = 0; i < plain.size(); i++)
    CHECK_THAT(colored[i], ContainsSubstring(plain[i]));
}

TEST_CASE("control characters in names do not reach the terminal", "[table]") {
  Report report = sample_report();
  report.targets[0].comm = "sh\x1b[2Jop";
  edit_frame(report.sites[0].frames[1], [](Frame& frame) { frame.function = "f\r\nPID 1 init"; });
  edit_frame(report.sites[0].frames[0], [](Frame& frame) { frame.module = "/lib/\x07lib.so"; });
  edit_frame(report.sites[0].frames[2], [](Frame& frame) { frame.file = "/src/\x7fmain.cpp"; });
  const std::string text = render_table(report, {.stacks = true});
  for (const char c : text)
    CHECK(((static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\n'));
  CHECK(lines_of(text).size() == lines_of(render_table(sample_report(), {.stacks = true})).size());
  CHECK_THAT(text, ContainsSubstring("PID 4242 sh\\x1b[2Jop"));
  CHECK_THAT(text, ContainsSubstring("f\\x0d\\x0aPID 1 init"));
  CHECK_THAT(text, ContainsSubstring("\\x07lib.so"));
  CHECK_THAT(text, ContainsSubstring("main at \\x7fmain.cpp:7"));
}

TEST_CASE("rows that are left out are counted", "[table]") {
  Report report = sample_report();
  CHECK_THAT(render_table(report, {}), !ContainsSubstring("more rows"));
  report.site_count = 1502;
  CHECK_THAT(render_table(report, {}), ContainsSubstring("1,500 more rows"));
}

TEST_CASE("a report without rows says so", "[table]") {
  Report report = sample_report();
  report.sites.clear();
  report.site_count = 0;
  CHECK_THAT(render_table(report, {}),
             ContainsSubstring("nothing allocated since leakbpf attached"));
  CHECK_FALSE(render_table(Report{}, {}).empty());
}

TEST_CASE("a row without frames is unknown", "[table]") {
  Report report = sample_report();
  report.sites[1].frames.clear();
  CHECK_THAT(render_table(report, {.stacks = true}), ContainsSubstring("[unknown]"));
}

} // namespace
} // namespace leakbpf
