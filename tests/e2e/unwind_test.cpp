// SPDX-License-Identifier: Apache-2.0
// Each program of tests/programs/unwind_* says which functions its allocations come from; leakbpf
// must find these, in this order, to the end.
#include "child.h"
#include "privileges.h"
#include "stack_pattern.h"

#include <algorithm>
#include <csignal>
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <nlohmann/json.hpp>

using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

std::string program(const std::string& name) {
  return built("tests/programs/" + name);
}

void require_built(const std::string& name, const std::string& what_it_needs) {
  if (!std::filesystem::exists(program(name)))
    SKIP(name + " was not built: it needs " + what_it_needs);
}

struct Traced {
  std::vector<Expectation> expectations;
  Json snapshot;
};

/// Runs the program to its "done" under leakbpf.
Traced trace(const std::vector<std::string>& arguments, const std::string& backend = "") {
  Traced traced;
  Child child(arguments);
  child.wait_for([&](const std::string& line) {
    if (auto expectation = parse_expectation(line))
      traced.expectations.push_back(*std::move(expectation));
    return line.starts_with("ready ");
  });
  const TemporaryFile output;
  std::vector<std::string> command{
      built("leakbpf"),           "snapshot", "--exact", "-o", output.path(), "-p",
      std::to_string(child.pid())};
  if (!backend.empty() && backend != "auto")
    command.insert(command.end(), {"--backend", backend});
  Child tracer(command);
  tracer.wait_for_prefix("leakbpf: tracing");
  child.write_line("go");
  child.wait_for([](const std::string& line) {
    if (line.starts_with("broken: "))
      FAIL(line);
    return line == "done";
  });
  tracer.signal(SIGINT);
  const int status = tracer.wait_end();
  INFO(tracer.rest());
  REQUIRE(status == 0);
  traced.snapshot = Json::parse(output.text());
  for (const Json& target : traced.snapshot.at("targets")) // not those of a child of it
    if (target.at("pid") == child.pid())
      return traced;
  FAIL("the program is not among the targets");
  return traced;
}

std::vector<Stack> stacks_of_size(const Json& snapshot, std::size_t size) {
  std::vector<Stack> stacks;
  for (const Json& site : snapshot.at("sites"))
    if (site.at("kind") == "heap" && site.at("outstanding_bytes") == size &&
        site.at("outstanding_count") == 1)
      stacks.push_back(stack_of(site));
  return stacks;
}

void check_one(const Expectation& expectation, const Json& snapshot) {
  INFO(expectation.line);
  const std::vector<Stack> stacks = stacks_of_size(snapshot, expectation.size);
  if (stacks.empty() && expectation.kind != Expectation::Kind::perhaps)
    FAIL_CHECK("no site has a block of this size");
  for (const Stack& stack : stacks) {
    const std::string got = stack.text();
    CAPTURE(got);
    CHECK(expectation.matches(stack));
  }
}

Traced trace_and_check(const std::vector<std::string>& arguments, const std::string& backend = "") {
  require_tracing();
  Traced traced = trace(arguments, backend);
  REQUIRE(!traced.expectations.empty());
  for (const Expectation& expectation : traced.expectations)
    check_one(expectation, traced.snapshot);
  return traced;
}

} // namespace

TEST_CASE("a chain stands for the stacks it should", "[unwind][beside]") {
  const auto matches = [](const std::string& chain, const std::string& names, bool whole = true) {
    Stack stack;
    std::istringstream words(names);
    for (std::string word; words >> word;)
      if (word.front() == '<')
        stack.frames.push_back({"", word.substr(1, word.size() - 2)});
      else
        stack.frames.push_back({word == "?" ? "" : word, word == "?" ? "" : "program"});
    stack.note = whole ? "" : "the stack could not be followed further";
    return parse_expectation(chain)->matches(stack);
  };
  const std::string plain = "expect x size=1: f g{2} <libc.so.6> main [end]";
  CHECK(matches(plain, "f g g <libc.so.6> main"));
  CHECK(matches(plain, "f g g <libc.so.6> <libc.so.6> main"));
  CHECK_FALSE(matches(plain, "f g g <libc.so.6> main", false));
  CHECK_FALSE(matches(plain, "f g <libc.so.6> main"));
  CHECK_FALSE(matches(plain, "f g g g <libc.so.6> main"));
  CHECK_FALSE(matches(plain, "f g g main"));
  CHECK_FALSE(matches(plain, "f g g <libc.so.6> main _start"));
  CHECK_FALSE(matches(plain, "f g g <libc.so.6> ? main"));
  CHECK(matches("expect x size=1: f <a|b>* * main [end]", "f <b> <a> ? other main"));
  CHECK(matches("expect x size=1: f <a|b>* * main [end]", "f main"));
  CHECK(matches("expect x size=1: f ? g_* [stops]", "f ? g_12 <c>", false));
  CHECK_FALSE(matches("expect x size=1: f <program>{1} g [end]", "f g"));
  CHECK(matches(
      "expect x size=1: recursion{127} [truncated]",
      [] {
        std::string many;
        for (int i = 0; i < 127; i++)
          many += "recursion ";
        return many;
      }(),
      false));
  const std::string partly = "accept x size=1: f <a> g main [end]";
  CHECK(matches(partly, "f <a> <a> g main"));
  CHECK(matches(partly, "f <a>", false));
  CHECK(matches(partly, "f", false));
  CHECK_FALSE(matches(partly, "f <a>"));
  CHECK_FALSE(matches(partly, "f main", false));
}

TEST_CASE("stacks are whole and right", "[unwind][beside]") {
  const std::string name =
      GENERATE("unwind_frames", "unwind_threads", "unwind_signals", "unwind_asm", "unwind_lazy",
               "unwind_exceptions", "unwind_processes", "unwind_fibers", "unwind_coroutines",
               "unwind_parked");
  CAPTURE(name);
  require_built(name, "GCC on x86-64");
  trace_and_check({program(name)});
}

TEST_CASE("a function that ended in a call is named where it was", "[unwind][beside]") {
  require_built("unwind_frames", "GCC on x86-64");
  require_tracing();
  const Traced traced = trace({program("unwind_frames")}, "");
  const auto tail_call =
      std::find_if(traced.expectations.begin(), traced.expectations.end(),
                   [](const Expectation& each) { return each.name == "tail-call"; });
  REQUIRE(tail_call != traced.expectations.end());
  std::size_t seen = 0;
  for (const Json& site : traced.snapshot.at("sites"))
    if (site.at("kind") == "heap" && site.at("outstanding_bytes") == tail_call->size) {
      const Json& frames = site.at("frames");
      CAPTURE(frames);
      REQUIRE(frames.size() > 3);
      CHECK(frames[1].at("function") == "frames_after_tail_call");
      CHECK(frames[2].at("function") == "frames_gone");
      CHECK(frames[2].at("tail_call") == true);
      CHECK(frames[3].at("function") == "case_tail_call");
      seen++;
    }
  CHECK(seen > 0);
}

TEST_CASE("stacks are whole and right by each back-end", "[unwind][beside]") {
  const std::string backend = GENERATE(from_range(backends_to_test()));
  const std::string name = GENERATE("unwind_frames", "unwind_signals");
  CAPTURE(backend, name);
  require_built(name, "GCC on x86-64");
  trace_and_check({program(name)}, backend);
}

TEST_CASE("stacks are whole and right however a program is linked", "[unwind][beside]") {
  const std::string kind =
      GENERATE("", "_no_pie", "_static", "_static_pie", "_frame_pointer", "_no_tables");
  CAPTURE(kind);
  require_built("unwind_basic" + kind, "GCC on x86-64");
  trace_and_check({program("unwind_basic" + kind)});
}

TEST_CASE("stacks are whole and right in libraries that come and go", "[unwind][beside]") {
  require_built("unwind_dlopen", "GCC on x86-64");
  trace_and_check(
      {program("unwind_dlopen"), program("unwind_plugin_a.so"), program("unwind_plugin_b.so")});
}

TEST_CASE("stacks are whole and right with musl", "[unwind][beside]") {
  const std::string name = GENERATE("unwind_basic", "unwind_threads");
  const std::string kind = GENERATE("_musl", "_musl_static", "_musl_stripped");
  CAPTURE(name, kind);
  require_built(name + kind, "the package musl-tools");
  trace_and_check({program(name + kind)});
}

TEST_CASE("stacks are whole and right in Rust", "[unwind][beside]") {
  require_built("unwind_rust", "rustc");
  trace_and_check({program("unwind_rust")});
}

TEST_CASE("stacks are right in C that Go calls", "[unwind][beside]") {
  require_built("unwind_go", "the package golang-go");
  trace_and_check({program("unwind_go")});
}

TEST_CASE("two threads on one CPU do not get into each other's stacks", "[unwind][beside]") {
  require_built("unwind_threads", "GCC on x86-64");
  const Traced traced = trace_and_check({program("unwind_threads")});
  int of_one = 0;
  for (const Json& site : traced.snapshot.at("sites")) {
    const Stack stack = stack_of(site);
    bool first = false;
    bool second = false;
    for (const Stack::Frame& frame : stack.frames) {
      first = first || frame.function.starts_with("first_");
      second = second || frame.function.starts_with("second_");
    }
    of_one += first != second ? 1 : 0;
    INFO(stack.text());
    CHECK_FALSE((first && second));
    CHECK((stack.note.empty() || !(first || second)));
  }
  CHECK(of_one == 2); // each thread has one call, always from the same place
}
