// SPDX-License-Identifier: Apache-2.0
// `leakbpf run`: a command from its first instruction to its end.
#include "child.h"
#include "privileges.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <nlohmann/json.hpp>

using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

struct Ran {
  Finished finished;
  Json snapshot;
};

/// `before`: what leakbpf itself is started by.
Ran run(const std::vector<std::string>& options, const std::vector<std::string>& command,
        const std::vector<std::string>& before = {}) {
  const TemporaryFile output;
  std::vector<std::string> all = before;
  all.insert(all.end(), {built("leakbpf"), "run", "-q", "-o", output.path()});
  all.insert(all.end(), options.begin(), options.end());
  all.emplace_back("--");
  all.insert(all.end(), command.begin(), command.end());
  Ran ran;
  ran.finished = run_program(all);
  ran.snapshot = Json::parse(output.text(), nullptr, false);
  return ran;
}

/// Outstanding bytes of the sites whose culprit is this function.
std::pair<std::uint64_t, std::uint64_t> outstanding_at(const Json& snapshot,
                                                       const std::string& function) {
  std::pair<std::uint64_t, std::uint64_t> found{};
  for (const Json& site : snapshot.at("sites")) {
    if (site.at("frames").at(site.at("culprit").get<std::size_t>()).at("function") != function)
      continue;
    found.first += site.at("outstanding_bytes").get<std::uint64_t>();
    found.second += site.at("outstanding_count").get<std::uint64_t>();
  }
  return found;
}

} // namespace

TEST_CASE("run sees a command's every allocation", "[run][beside]") {
  require_tracing();
  const std::string kind = GENERATE("", "_static", "_musl", "_musl_static");
  const std::string program = built("tests/programs/leaks_at_once" + kind);
  if (!std::filesystem::exists(program))
    SKIP(program << " was not built: it needs the package musl-tools");
  CAPTURE(kind);
  const Ran ran = run({}, {program});
  CHECK(ran.finished.status == 3);
  CHECK(outstanding_at(ran.snapshot, "main") ==
        std::pair<std::uint64_t, std::uint64_t>{100000, 100});
}

// The program has ended before anybody could look at it, and the end of its stack's memory is
// nearer the smaller its environment.
TEST_CASE("run sees a short program's every allocation, whatever its environment",
          "[run][beside]") {
  require_tracing();
  const std::string kind = GENERATE("_static", "_musl_static");
  const std::string program = built("tests/programs/leaks_at_once" + kind);
  if (!std::filesystem::exists(program))
    SKIP(program << " was not built: it needs the package musl-tools");
  std::vector<std::string> huge{"env"};
  for (int i = 0; i < 100; i++)
    huge.push_back("V" + std::to_string(i) + "=" + std::string(1000, 'x'));
  for (const auto& before : {std::vector<std::string>{"env", "-i"}, huge})
    for (int i = 0; i < 3; i++) {
      CAPTURE(kind, before.size(), i);
      const Ran ran = run({}, {program}, before);
      CHECK(ran.finished.status == 3);
      CHECK(outstanding_at(ran.snapshot, "main") ==
            std::pair<std::uint64_t, std::uint64_t>{100000, 100});
      for (const Json& site : ran.snapshot.at("sites"))
        CHECK(site.at("frames").dump().find("could not be read") == std::string::npos);
    }
}

TEST_CASE("what musl's malloc maps for itself is no second leak", "[run][beside]") {
  require_tracing();
  const std::string kind = GENERATE("_musl", "_musl_static");
  const std::string program = built("tests/programs/forgets_messages" + kind);
  if (!std::filesystem::exists(program))
    SKIP(program << " was not built: it needs the package musl-tools");
  CAPTURE(kind);
  const Ran ran = run({}, {program});
  CHECK(ran.finished.status == 0);
  CHECK(outstanding_at(ran.snapshot, "copy_text") ==
        std::pair<std::uint64_t, std::uint64_t>{4000000, 1000});
  std::uint64_t all = 0;
  for (const Json& site : ran.snapshot.at("sites"))
    all += site.at("outstanding_bytes").get<std::uint64_t>();
  CHECK(all >= 4008000);
  CHECK(all < 4208400); // 5% more
}

TEST_CASE("run hands on the command's output and status", "[run][beside]") {
  require_tracing();
  CHECK(run({}, {"sh", "-c", "echo said; exit 42"}).finished.output.find("said") == 0);
  CHECK(run({}, {"sh", "-c", "exit 42"}).finished.status == 42);
  CHECK(run({}, {"sh", "-c", "kill -TERM $$"}).finished.status == 128 + 15);
  const Finished missing = run_program({built("leakbpf"), "run", "--", "/no/such/command"});
  CHECK(missing.status == 4);
  CHECK(missing.output.find("leakbpf: error: cannot run /no/such/command") != std::string::npos);
  CHECK(run_program({built("leakbpf"), "run"}).status == 2);
}

TEST_CASE("run passes signals on, and reports then", "[run][beside]") {
  require_tracing();
  const TemporaryFile output;
  Child tracer({built("leakbpf"), "run", "-q", "-o", output.path(), "--", "sh", "-c",
                "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done"});
  tracer.wait_for_prefix("ready");
  tracer.signal(SIGTERM);
  CHECK(tracer.wait_end() == 7);
  CHECK_FALSE(Json::parse(output.text(), nullptr, false).is_discarded());
}

TEST_CASE("run follows a script through exec to the program", "[run][beside]") {
  require_tracing();
  const TemporaryFile script;
  std::ofstream(script.path()) << "#!/bin/sh\nset -e\n: some work of its own\nexec " +
                                      built("tests/programs/leaks_at_once") + "\n";
  std::filesystem::permissions(script.path(), std::filesystem::perms::owner_all);
  const Ran ran = run({}, {script.path()});
  CHECK(ran.finished.status == 3);
  CHECK(outstanding_at(ran.snapshot, "main") ==
        std::pair<std::uint64_t, std::uint64_t>{100000, 100});
  std::map<std::string, std::string> ends;
  for (const Json& target : ran.snapshot.at("targets"))
    ends[target.at("comm")] = target.at("ended").at("how");
  CHECK(ends.at("leaks_at_once") == "exited with 3");
}

TEST_CASE("run sees a stripped program's every allocation", "[run][beside]") {
  require_tracing();
  const std::string kind = GENERATE("", "_musl");
  const std::string program = built("tests/programs/leaks_at_once" + kind);
  if (!std::filesystem::exists(program))
    SKIP(program << " was not built: it needs the package musl-tools");
  CAPTURE(kind);
  const TemporaryFile stripped;
  REQUIRE(run_program({"strip", "-o", stripped.path(), program}).status == 0);
  std::filesystem::permissions(stripped.path(), std::filesystem::perms::owner_all);
  const Ran ran = run({}, {stripped.path()});
  CHECK(ran.finished.status == 3);
  std::uint64_t bytes = 0;
  for (const Json& site : ran.snapshot.at("sites"))
    if (site.at("frames").dump().find(stripped.path()) != std::string::npos)
      bytes += site.at("outstanding_bytes").get<std::uint64_t>();
  CHECK(bytes == 100000);
}

TEST_CASE("run says so of a stripped static program, and how to help", "[run][beside]") {
  require_tracing();
  const TemporaryFile stripped;
  REQUIRE(
      run_program({"strip", "-o", stripped.path(), built("tests/programs/leaks_at_once_static")})
          .status == 0);
  std::filesystem::permissions(stripped.path(), std::filesystem::perms::owner_all);
  const Finished finished = run_program({built("leakbpf"), "run", "--", stripped.path()});
  INFO(finished.output);
  CHECK(finished.status == 3);
  CHECK(finished.output.find("warning: no call of malloc or mmap was seen") != std::string::npos);
  CHECK(finished.output.find("--symbol-prefix") != std::string::npos);
}

TEST_CASE("run follows a prefork program's workers, each with what is its own", "[run][beside]") {
  require_tracing();
  const TemporaryFile output;
  Child tracer({built("leakbpf"), "run", "-o", output.path(), "--", built("tests/programs/storms"),
                "workers", "3"});
  tracer.wait_for_prefix("ready");
  tracer.write_line("go");
  std::set<std::string> traced;
  bool forked = false;
  tracer.wait_for([&](const std::string& line) {
    forked = forked || line == "forked";
    if (line.starts_with("leakbpf: tracing PID"))
      traced.insert(line.substr(0, line.find('(')));
    return forked && traced.size() == 3;
  });
  for (const std::string word : {"kept", "done"}) {
    tracer.write_line("go");
    tracer.wait_for_prefix(word);
  }
  tracer.write_line("end");
  CHECK(tracer.wait_end() == 3);
  const Json snapshot = Json::parse(output.text());
  std::map<std::size_t, std::uint64_t> kept;
  for (const Json& site : snapshot.at("sites"))
    if (site.at("frames").dump().find("\"keep_blocks\"") != std::string::npos)
      kept[site.at("target").get<std::size_t>()] +=
          site.at("outstanding_bytes").get<std::uint64_t>();
  CHECK(kept.size() == 3);
  for (const auto& [target, bytes] : kept)
    CHECK(bytes == 7 * 1001);
}

TEST_CASE("run reports on a command that a signal ends", "[run][beside]") {
  require_tracing();
  const auto [name, number] =
      GENERATE(std::pair{"KILL", SIGKILL}, std::pair{"SEGV", SIGSEGV}, std::pair{"TERM", SIGTERM});
  CAPTURE(name);
  const Ran ran = run({}, {"sh", "-c", std::string("kill -") + name + " $$"});
  CHECK(ran.finished.status == 128 + number);
  std::vector<std::string> ends;
  for (const Json& target : ran.snapshot.at("targets"))
    ends.push_back(target.at("ended").at("how"));
  CHECK(std::count_if(ends.begin(), ends.end(), [number = number](const std::string& end) {
          return end.starts_with("killed by signal " + std::to_string(number));
        }) == 1);
}

TEST_CASE("run ends with the command, whoever it leaves behind", "[run][beside]") {
  require_tracing();
  const Ran ran = run({}, {"sh", "-c", "sleep 30 >/dev/null 2>&1 & exit 4"});
  CHECK(ran.finished.status == 4);
  CHECK_FALSE(ran.snapshot.is_discarded());
}

TEST_CASE("run hands the command its input", "[run][beside]") {
  require_tracing();
  Child tracer({built("leakbpf"), "run", "-q", "-o", "/dev/null", "--", "sh", "-c",
                "read word; echo got $word"});
  tracer.write_line("this");
  tracer.wait_for_prefix("got this");
  CHECK(tracer.wait_end() == 0);
}

TEST_CASE("what cannot be run ends with 4", "[run][beside]") {
  require_tracing();
  for (const char* command : {"/etc/passwd", "/tmp", "no-such-command-anywhere"}) {
    const Finished finished = run_program({built("leakbpf"), "run", "--", command});
    INFO(finished.output);
    CHECK(finished.status == 4);
    CHECK(finished.output.find("leakbpf: error: cannot run") != std::string::npos);
  }
}

TEST_CASE("run --python-malloc traces every Python object", "[run][python][beside]") {
  require_tracing();
  const Ran ran = run({"--python-malloc"}, {"/usr/bin/python3", "-c", R"(
import os
class Node:
    def __init__(self, number):
        self.value = float(number)
kept = [None] * 20000
def remember(number):
    kept[number] = Node(number)
for number in range(20000):
    remember(number)
os._exit(5)
)"});
  CHECK(ran.finished.status == 5);
  // Each node, and its attributes' array, is taken by one line, its float by the other. Python
  // keeps floats of its own for later, so that a few come from elsewhere.
  CHECK(outstanding_at(ran.snapshot, "remember").second >= 20000);
  const auto floats = outstanding_at(ran.snapshot, "Node.__init__");
  CHECK(floats.second > 19800);
  CHECK(floats.first / floats.second == 24);
}
