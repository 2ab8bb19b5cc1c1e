// SPDX-License-Identifier: Apache-2.0
// `leakbpf run`: a command from its first instruction to its end.
#include "child.h"
#include "privileges.h"

#include <csignal>
#include <filesystem>

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

Ran run(const std::vector<std::string>& options, const std::vector<std::string>& command) {
  const TemporaryFile output;
  std::vector<std::string> all{built("leakbpf"), "run", "-q", "-o", output.path()};
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

TEST_CASE("run sees a command's every allocation", "[run]") {
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

TEST_CASE("run hands on the command's output and status", "[run]") {
  require_tracing();
  CHECK(run({}, {"sh", "-c", "echo said; exit 42"}).finished.output.find("said") == 0);
  CHECK(run({}, {"sh", "-c", "exit 42"}).finished.status == 42);
  CHECK(run({}, {"sh", "-c", "kill -TERM $$"}).finished.status == 128 + 15);
  const Finished missing = run_program({built("leakbpf"), "run", "--", "/no/such/command"});
  CHECK(missing.status == 4);
  CHECK(missing.output.find("leakbpf: error: cannot run /no/such/command") != std::string::npos);
  CHECK(run_program({built("leakbpf"), "run"}).status == 2);
}

TEST_CASE("run passes signals on, and reports then", "[run]") {
  require_tracing();
  const TemporaryFile output;
  Child tracer({built("leakbpf"), "run", "-q", "-o", output.path(), "--", "sh", "-c",
                "trap 'exit 7' TERM; echo ready; while :; do sleep 0.1; done"});
  tracer.wait_for_prefix("ready");
  tracer.signal(SIGTERM);
  CHECK(tracer.wait_end() == 7);
  CHECK_FALSE(Json::parse(output.text(), nullptr, false).is_discarded());
}

TEST_CASE("run --python-malloc traces every Python object", "[run][python]") {
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
