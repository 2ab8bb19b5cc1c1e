// SPDX-License-Identifier: Apache-2.0
#include "render/verdict_text.h"
#include "sample_report.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

TEST_CASE("a verdict names the process, why, and the stacks that grow", "[verdict]") {
  Report report = sample_report();
  report.targets[0].container = Container{std::string(64, 'a'), "docker", "", ""};
  report.targets[0].namespaced_pid = 7;
  CHECK(render_verdict(report) ==
        "leakbpf 0.1.0 on host, 1m02s from 2026-01-31T09:30:00Z\nPID 4242 (7 in container "
        "aaaaaaaaaaaa) shop: critical: leaking   RSS 120 MB (+20.0 MB/min)\n  - the limit of 512 "
        "MB is reached in 20 min\n  1. high      +15.0 MB/min  15.0 MB outstanding  Cart::add at "
        "cart.cpp:42\n     called by main at main.cpp:7\n     grows by 15.0 MB/min; 75% of what it "
        "took is still there\n");
}

TEST_CASE("of many processes those that do not grow have a line each", "[verdict]") {
  Report report = sample_report();
  TargetReport calm = report.targets[0];
  calm.verdict = {Severity::none, {"RSS does not grow"}};
  calm.rss_growth_bytes_per_minute = 0;
  for (calm.pid = 1; calm.pid <= 2; calm.pid++)
    report.targets.push_back(calm);
  CHECK_THAT(render_verdict(report), ContainsSubstring("  - RSS does not grow\n"));
  report.targets.push_back(calm);
  const std::string text = render_verdict(report);
  CHECK_THAT(text, !ContainsSubstring("RSS does not grow"));
  CHECK_THAT(text,
             ContainsSubstring("PID 2 shop: none: no leak seen in 1m02s   RSS 120 MB (0 B/min)\n"
                               "PID 3 shop: none"));
  CHECK_THAT(text, ContainsSubstring("  - the limit of 512 MB is reached in 20 min\n"));
}

TEST_CASE("children that ended without growth are counted, not listed", "[verdict]") {
  Report report = sample_report();
  TargetReport child = report.targets[0];
  child.verdict = {};
  child.ended = TargetEnd{"exited with 0", 1};
  child.pid = 17;
  report.targets.push_back(child);
  CHECK_THAT(render_verdict(report), ContainsSubstring("PID 17 "));
  child.pid = 18;
  report.targets.push_back(child);
  child.pid = 19;
  child.verdict.severity = Severity::high;
  report.targets.push_back(child);
  const std::string text = render_verdict(report);
  CHECK_THAT(text, !ContainsSubstring("PID 17 ") && !ContainsSubstring("PID 18 "));
  CHECK_THAT(text, ContainsSubstring("PID 19 "));
  CHECK_THAT(text, ContainsSubstring("and 2 ended processes, none of which was seen growing\n"));
  std::erase_if(report.targets, [](const TargetReport& target) { return !target.ended; });
  report.targets.pop_back();
  CHECK_THAT(render_verdict(report), ContainsSubstring("PID 17 ")); // there is nothing else
}

TEST_CASE("the processes that grow fastest come first", "[verdict]") {
  Report report = sample_report();
  TargetReport slow = report.targets[0];
  slow.pid = 17;
  slow.rss_growth_bytes_per_minute = 1 << 20;
  slow.outstanding_bytes = 1 << 30;
  report.targets.insert(report.targets.begin(), slow);
  report.sites.clear();
  const std::string text = render_verdict(report);
  CHECK(text.find("PID 4242") < text.find("PID 17"));
}

} // namespace
} // namespace leakbpf
