// SPDX-License-Identifier: Apache-2.0
#include "core/culprit.h"
#include "sample_report.h"

#include <catch2/catch_test_macros.hpp>

using namespace leakbpf;

namespace {

Frame line_frame(const std::string& function, std::uint32_t line = 0) {
  Frame made;
  made.function = function;
  made.module = "/srv/shop";
  made.offset = std::hash<std::string>()(function) % 100000 + line;
  made.line = line;
  made.file = line != 0 ? "shop.c" : "";
  return made;
}

SiteReport site(Frames frames, Severity severity, std::uint64_t allocated,
                std::uint64_t outstanding) {
  SiteReport row;
  row.frames = std::move(frames);
  row.verdict.severity = severity;
  row.totals.allocated_count = allocated;
  row.totals.allocated_bytes = allocated * 100;
  row.totals.freed_count = allocated - outstanding;
  row.totals.freed_bytes = row.totals.freed_count * 100;
  return row;
}

SiteReport leak(Frames frames) {
  return site(std::move(frames), Severity::high, 1000, 1000);
}

SiteReport steady(Frames frames) {
  return site(std::move(frames), Severity::none, 20000, 200);
}

/// Functions of the culprits, in the order of the rows.
std::vector<std::string> culprits(std::vector<SiteReport> sites) {
  Report report;
  report.sites = std::move(sites);
  find_culprits(report);
  std::vector<std::string> functions;
  for (const SiteReport& row : report.sites)
    functions.push_back(row.frames.at(row.culprit)->function);
  return functions;
}

} // namespace

TEST_CASE("what leaks and what comes and goes have in common is a wrapper", "[common_paths]") {
  const Frames leaking{line_frame("take"), line_frame("copy_text"), line_frame("parse_config"),
                       line_frame("main", 7)};
  const Frames ring{line_frame("take"), line_frame("copy_text"), line_frame("remember"),
                    line_frame("main", 8)};
  CHECK(culprits({leak(leaking)}) == std::vector<std::string>{"take"});
  CHECK(culprits({leak(leaking), steady(ring)}) ==
        std::vector<std::string>{"parse_config", "remember"});
}

TEST_CASE("a few blocks, or such as stay, say nothing against a function", "[common_paths]") {
  const Frames leaking{line_frame("cache_put"), line_frame("handle"), line_frame("main", 7)};
  const Frames at_start{line_frame("cache_put"), line_frame("preload"), line_frame("main", 3)};
  CHECK(culprits({leak(leaking), site(at_start, Severity::none, 5000, 5000)}).front() ==
        "cache_put");
  CHECK(culprits({leak(leaking), site(at_start, Severity::none, 10, 0)}).front() == "cache_put");
}

TEST_CASE("lines of one function are told apart", "[common_paths]") {
  CHECK(culprits({leak({line_frame("take"), line_frame("handle", 10), line_frame("main", 7)}),
                  steady({line_frame("take"), line_frame("handle", 11), line_frame("main", 7)})}) ==
        std::vector<std::string>{"handle", "handle"});
  // Where all is in main, that is the line.
  CHECK(culprits({leak({line_frame("take"), line_frame("main", 7)}),
                  steady({line_frame("take"), line_frame("main", 8)})}) ==
        std::vector<std::string>{"main", "main"});
}

TEST_CASE("an inlined wrapper is the same in all that call it", "[common_paths]") {
  const auto inlined = [](std::uint64_t offset) {
    Frame made = line_frame("take", 3);
    made.offset = offset;
    made.inlined = true;
    return made;
  };
  CHECK(culprits({leak({inlined(10), line_frame("parse_config", 20), line_frame("main", 7)}),
                  steady({inlined(99), line_frame("remember", 30), line_frame("main", 8)})})
            .front() == "parse_config");
}

TEST_CASE("of two calls in one line the one that is given back does not clear the other",
          "[common_paths]") {
  const Frames config{line_frame("take", 1), line_frame("copy_text", 2),
                      line_frame("parse_config", 3), line_frame("main", 7)};
  const Frames ring{line_frame("take", 1), line_frame("copy_text", 2), line_frame("main", 8)};
  CHECK(culprits({leak(config), steady(config), steady(ring)}).front() == "parse_config");
}

TEST_CASE("the same way for both is no reason to name nothing", "[common_paths]") {
  const Frames both{line_frame("take"), line_frame("main", 7)};
  CHECK(culprits({leak(both), steady(both)}) == std::vector<std::string>{"take", "take"});
}

TEST_CASE("a Python program's start is not blamed for what libraries do", "[common_paths]") {
  const Frame start = python_frame("<module>", "/srv/shop/app.py", 90);
  const std::string packages = "/usr/lib/python3/dist-packages/";
  std::vector<SiteReport> sites;
  sites.push_back(leak({python_frame("handle", packages + "starlette/routing.py", 5),
                        python_frame("run", packages + "uvicorn/main.py", 6), start}));
  CHECK(culprits(sites).front() == "<module>"); // one stack alone: a script, as far as is known
  for (std::uint32_t line = 0; line < 20; line++)
    sites.push_back(steady({python_frame("init", packages + "h11/_events.py", line),
                            python_frame("run", packages + "uvicorn/main.py", 6), start}));
  CHECK(culprits(sites).front() == "handle");
  sites.push_back(leak({python_frame("remember", "/srv/shop/app.py", 12),
                        python_frame("run", packages + "uvicorn/main.py", 6), start}));
  CHECK(culprits(sites).back() == "remember");
}
