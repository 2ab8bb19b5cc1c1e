// SPDX-License-Identifier: Apache-2.0
// Python frames, against what Python itself says of its stacks; and leaks of a web service.
#include "child.h"
#include "privileges.h"
#include "pythons.h"
#include "server.h"
#include "sites.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <nlohmann/json.hpp>

using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

const std::string scripts = LEAKBPF_SOURCE_DIR "/tests/python/";

/// A Python stack as text, innermost first -> how many blocks were taken there.
using Counts = std::map<std::string, std::size_t>;

Counts counts_by_python_stack(const Json& snapshot) {
  Counts counts;
  for (const Json& site : snapshot.at("sites")) {
    std::string stack;
    bool first = true;
    bool wanted = site.at("kind") == "heap";
    for (const Json& frame : site.at("frames")) {
      if (frame.at("kind") != "python")
        continue;
      const std::string function =
          frame.at("function").is_string() ? frame.at("function").get<std::string>() : "?";
      wanted = wanted && (!first || function.starts_with("leaf"));
      first = false;
      stack += function + " " + frame.at("file").dump() + ":" + frame.at("line").dump() + "\n";
    }
    if (wanted && !first)
      counts[stack] += site.at("outstanding_count").get<std::size_t>();
  }
  return counts;
}

Counts counts_by_truth(const Json& truth) {
  Counts counts;
  for (const Json& entry : truth) {
    std::string stack;
    for (const Json& frame : entry.at(0))
      stack += frame.at(0).get<std::string>() + " " + frame.at(1).dump() + ":" +
               frame.at(2).dump() + "\n";
    counts[stack] += entry.at(1).get<std::size_t>();
  }
  return counts;
}

struct ScriptTraced {
  std::string said; ///< what the program printed from "go" to "done"
  Json snapshot;
};

/// A program that says "ready", waits for a line, does something, says "done" and waits, under
/// leakbpf meanwhile.
ScriptTraced trace_script(const std::vector<std::string>& command,
                          const std::vector<std::string>& options) {
  const TemporaryFile output;
  Child program(command);
  program.wait_for_prefix("ready");
  std::vector<std::string> snapshot{built("leakbpf"),
                                    "snapshot",
                                    "--exact",
                                    "-o",
                                    output.path(),
                                    "-p",
                                    std::to_string(program.pid())};
  snapshot.insert(snapshot.end(), options.begin(), options.end());
  Child tracer(snapshot);
  tracer.wait_for_prefix("leakbpf: tracing");
  program.write_line("go");
  ScriptTraced traced;
  program.wait_for([&traced](const std::string& line) {
    traced.said += line + "\n";
    return line.starts_with("done");
  });
  tracer.signal(SIGINT);
  REQUIRE(tracer.wait_end() == 0);
  traced.snapshot = Json::parse(output.text());
  return traced;
}

/// The Python functions in a site's stack, innermost first.
std::string python_functions(const Json& site) {
  std::string functions;
  for (const Json& frame : site.at("frames"))
    if (frame.at("kind") == "python")
      functions += frame.at("function").get<std::string>() + " ";
  return functions;
}

struct Compared {
  Counts truth;
  Json snapshot;
};

Compared trace_truth(const std::string& python, std::vector<std::string> options) {
  const TemporaryFile truth;
  options.insert(options.end(), {"--exact", "--min-size", "5000"});
  ScriptTraced traced = trace_script({python, scripts + "truth.py", truth.path()}, options);
  return {counts_by_truth(Json::parse(truth.text())), std::move(traced.snapshot)};
}

} // namespace

TEST_CASE("Python frames are those of Python's own traceback", "[python][beside]") {
  require_tracing();
  const std::string python = GENERATE(from_range(pythons()));
  CAPTURE(python, version_of(python));
  const Compared compared = trace_truth(python, {});
  const Counts found = counts_by_python_stack(compared.snapshot);
  std::size_t all = 0;
  std::size_t agree = 0;
  for (const auto& [stack, count] : compared.truth) {
    const auto same = found.find(stack);
    const std::size_t seen = same == found.end() ? 0 : same->second;
    all += count;
    agree += std::min(count, seen);
    if (seen != count)
      UNSCOPED_INFO("of " << count << " blocks " << seen << " were seen at:\n" << stack);
  }
  CHECK(all >= 1000);
  CHECK(agree * 1000 >= all * 999);
  for (const auto& [stack, count] : found)
    if (!compared.truth.contains(stack))
      FAIL_CHECK(count << " blocks at a stack that never was:\n" << stack);
}

TEST_CASE("Python frames by each back-end", "[python][beside]") {
  require_tracing();
  const std::string backend = GENERATE(from_range(backends_to_test()));
  CAPTURE(backend);
  const Compared compared = trace_truth(
      "/usr/bin/python3", backend == "auto" ? std::vector<std::string>{}
                                            : std::vector<std::string>{"--backend", backend});
  CHECK(counts_by_python_stack(compared.snapshot) == compared.truth);
}

TEST_CASE("there are native frames only with --no-python", "[python][beside]") {
  require_tracing();
  const Compared compared = trace_truth("/usr/bin/python3", {"--no-python"});
  CHECK(counts_by_python_stack(compared.snapshot).empty());
  CHECK(compared.snapshot.at("sites").size() > 3);
}

TEST_CASE("a Python that is not understood has native stacks and one note", "[python][beside]") {
  require_tracing();
  std::string old;
  for (const std::string version : {"3.7.16", "3.6.15", "2.7.18"})
    if (old.empty() && std::filesystem::exists(home() + "/.pyenv/versions/" + version))
      old = home() + "/.pyenv/versions/" + version + "/bin/python";
  if (old.empty())
    old = built("tests/programs/python3"); // only named so
  Child program({old, "-c",
                 "import time\nkept = []\nprint('ready')\n"
                 "import sys\nsys.stdout.flush()\n"
                 "while True:\n  kept.append(bytearray(9000))\n  time.sleep(0.01)\n"});
  program.wait_for_prefix("ready");
  const Finished traced = run_program({built("leakbpf"), "snapshot", "-d", "2", "--format", "json",
                                       "-p", std::to_string(program.pid())});
  CHECK(traced.status == 0);
  const std::size_t note = traced.output.find("native stacks only");
  CHECK(note != std::string::npos);
  CHECK(traced.output.find("native stacks only", note + 1) == std::string::npos);
  CHECK(traced.output.find("\"kind\":\"native\"") != std::string::npos);
  CHECK(traced.output.find("\"kind\":\"python\"") == std::string::npos);
}

TEST_CASE("Python frames in stacks through a library that was opened this moment",
          "[python][beside]") {
  require_tracing();
  const std::string python = GENERATE(from_range(pythons()));
  CAPTURE(python);
  const std::string folder =
      std::filesystem::temp_directory_path() / ("leakbpf-fresh-" + std::to_string(getpid()));
  std::filesystem::create_directory(folder);
  const ScriptTraced traced = trace_script(
      {python, scripts + "fresh_library.py", built("tests/programs/unwind_plugin_a.so"), folder},
      {"--exact", "--min-size", "30000"});
  std::filesystem::remove_all(folder);
  std::size_t found = 0;
  for (const Json& site : traced.snapshot.at("sites")) {
    const std::string functions = python_functions(site);
    const std::string leaf = site.at("frames").at(0).at("function").dump();
    if (leaf.find("leaf") == std::string::npos)
      continue;
    found += site.at("outstanding_count").get<std::size_t>();
    CHECK((functions == "call outer.<locals>.<lambda> outer <module> " ||
           functions == "call <lambda> outer <module> "));
    CHECK(site.at("frames").back().at("kind") != "note");
  }
  CHECK(found == 5);
}

namespace {

/// The Python functions of the one large block that a script takes between "go" and "done".
std::string functions_at_the_block(const std::string& python, const std::string& script) {
  const ScriptTraced traced = trace_script({python, scripts + script},
                                           {"--exact", "--min-size", "20000", "--kinds", "heap"});
  for (const Json& site : traced.snapshot.at("sites"))
    if (site.at("outstanding_bytes") == 20001)
      return python_functions(site);
  return "no such block";
}

} // namespace

TEST_CASE("code in another interpreter of a thread has its own frames", "[python][beside]") {
  require_tracing();
  const std::string python = GENERATE(from_range(pythons()));
  CAPTURE(python);
  const std::string found = functions_at_the_block(python, "subinterpreter.py");
  CAPTURE(found);
  CHECK(found.starts_with("in_inner inner <module> "));
  const std::string rest = found.substr(std::string("in_inner inner <module> ").size());
  CHECK((rest.empty() || rest == "outer <module> ")); // up to 3.11 the thread's own come behind
}

TEST_CASE("a forked child has Python frames", "[python][beside]") {
  require_tracing();
  const std::string python = GENERATE(from_range(pythons()));
  CAPTURE(python);
  CHECK(functions_at_the_block(python, "forks.py") == "in_child <module> ");
}

TEST_CASE("stacks that come and go leave room for others", "[python]") {
  require_tracing();
  const ScriptTraced traced =
      trace_script({"/usr/bin/python3", scripts + "made_code.py"},
                   {"--exact", "--min-size", "6000", "--max-stacks", "256", "-i", "0.05"});
  const Json& snapshot = traced.snapshot;
  std::uint64_t leaked = 0;
  std::uint64_t passed_by = 0;
  for (const Json& site : snapshot.at("sites")) {
    const Json& culprit = site.at("frames").at(site.at("culprit").get<std::size_t>());
    // A pool or an arena may begin there, too.
    if (culprit.at("function") == "leak" && site.at("kind") == "heap")
      leaked += site.at("outstanding_count").get<std::uint64_t>();
    if (culprit.at("file") == "<made>" && culprit.at("line").is_number())
      passed_by += site.at("freed_count").get<std::uint64_t>();
  }
  CHECK(leaked == 100);
  CHECK(passed_by > 1000); // others came while there was no room
  CHECK(snapshot.at("losses").at("python_code_gone") == 0);
}

namespace {

/// The number in "# arenas allocated current = 1,234" of sys._debugmallocstats().
std::uint64_t told(const std::string& text, const std::string& what) {
  const std::size_t at = text.rfind("# " + what);
  if (at == std::string::npos)
    return 0;
  std::string number = text.substr(text.find('=', at) + 1);
  number = number.substr(0, number.find('\n'));
  std::erase_if(number, [](char c) { return c < '0' || c > '9'; });
  return number.empty() ? 0 : std::stoull(number);
}

} // namespace

TEST_CASE("Python's heap and collections are what Python says", "[python][beside]") {
  require_tracing();
  const std::string python = GENERATE(from_range(pythons()));
  const std::string version = version_of(python);
  CAPTURE(python, version);
  const ScriptTraced traced = trace_script({python, scripts + "own_heap.py"}, {});
  const std::string& said = traced.said;
  const Json& snapshot = traced.snapshot;
  const Json& found = snapshot.at("targets").at(0).at("python");
  CHECK(found.at("version") == version);
  if (version != "3.8") { // its pools are not followed
    CHECK(found.at("arenas") == told(said, "arenas allocated current"));
    const auto live = static_cast<double>(told(said, "bytes in allocated blocks"));
    CHECK(found.at("live_bytes").get<double>() > live * 0.99);
    CHECK(found.at("live_bytes").get<double>() < live * 1.01);
  }
  if (version != "3.8" && version != "3.9")
    CHECK(found.at("gc").at("collections") == 3);
  if (found.at("gc").is_object())
    CHECK(found.at("gc").at("pause_max_s") > 0);
}

TEST_CASE("the leaking lines of a live web service come first", "[python][servers][beside]") {
  require_tracing();
  require_program("uvicorn");
  require_program("wrk");
  const LeakyService service;
  const TemporaryFile output;
  const std::string pid = service.pid();
  Child tracer(
      {built("leakbpf"), "snapshot", "--exact", "-o", output.path(), "-d", "40", "-p", pid});
  tracer.wait_for_prefix("leakbpf: tracing");
  const Finished load = run_program(
      {"wrk", "-t1", "-c8", "-d38", "-s", scripts + "mixed_load.lua", service.address()}, 120);
  INFO(load.output);
  CHECK(load.output.find("Socket errors") == std::string::npos);
  CHECK(load.output.find("Non-2xx") == std::string::npos);
  REQUIRE(tracer.wait_end() == 0);
  const Json snapshot = Json::parse(output.text());
  INFO(snapshot.at("held").dump(1));
  REQUIRE(snapshot.at("held").size() == 3);
  std::map<std::string, std::string> lines; // by function
  for (const Json& row : snapshot.at("held")) {
    CHECK(row.at("severity") != "none");
    const Json& line = row.at("lines").at(0);
    lines[line.at("function").get<std::string>()] = line.at("text").get<std::string>();
  }
  for (const std::string leak : {"remember_session", "keep_note", "record_order"})
    CHECK(lines.contains(leak));
  CHECK(lines["remember_session"].find("sessions.append") != std::string::npos);
  // Of sites, those that only began pools come last.
  bool pools = false;
  for (const Json& site : snapshot.at("sites")) {
    pools |= site.at("kind") == "python";
    CHECK(pools == (site.at("kind") == "python"));
  }
}

TEST_CASE("the leaking endpoint of a live web service is named", "[python][servers][beside]") {
  require_tracing();
  require_program("uvicorn");
  require_program("wrk");
  const LeakyService service;
  Child tracer({built("leakbpf"), "--exact", "--by", "handler", "-i", "4", "-d", "16", "-n", "3",
                "-p", service.pid()});
  tracer.wait_for_prefix("leakbpf: tracing");
  const Finished load = run_program(
      {"wrk", "-t1", "-c8", "-d14", "-s", scripts + "mixed_load.lua", service.address()}, 60);
  REQUIRE(tracer.wait_end() == 0);
  const std::string tables = tracer.rest();
  const std::string last = tables.substr(tables.rfind("severity"));
  INFO(tables);
  for (const std::string endpoint : {"large at", "small at", "new_order at"})
    CHECK(last.find(endpoint) != std::string::npos);
}
