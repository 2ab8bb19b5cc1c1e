// SPDX-License-Identifier: Apache-2.0
// The full-screen view on a terminal. What stands on the screen is tested without one
// (tests/unit/view_test.cpp).
#include "privileges.h"
#include "tmux.h"

#include <csignal>
#include <fstream>
#include <iterator>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

using namespace leakbpf::e2e;
using Catch::Matchers::ContainsSubstring;

namespace {

/// A program that leaks in remember_order().
class LeakingShape {
public:
  LeakingShape()
      : program_({built("tests/programs/shapes"), "leak", "--rate", "300", "--seconds", "600",
                  "--seed", "1"}) {
    program_.wait_for_prefix("ready");
    program_.write_line("go");
  }
  [[nodiscard]] std::string pid() const { return std::to_string(program_.pid()); }
  void end() const { program_.signal(SIGKILL); }

private:
  Child program_;
};

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Runs leakbpf between two looks at the terminal's modes.
std::string watched(const TemporaryFile& before, const TemporaryFile& after,
                    const std::string& arguments) {
  return "stty -g >" + before.path() + "; " + built("leakbpf") + " " + arguments +
         "; echo ended with $?; stty -g >" + after.path();
}

} // namespace

TEST_CASE("the view shows what leaks, and leaves the terminal as it was", "[view][beside]") {
  require_tracing();
  const LeakingShape shape;
  Tmux terminal;
  const TemporaryFile before;
  const TemporaryFile after;
  terminal.type_line(watched(before, after, "--exact -i 0.5 -p " + shape.pid()));
  terminal.await("remember_order");
  terminal.press("Enter");
  terminal.await("innermost call first");
  terminal.press("Escape");
  terminal.await("what grows");
  terminal.press("s");
  terminal.await("sort: bytes");
  terminal.press("b");
  terminal.await("by: line");
  terminal.press("4");
  terminal.await("process");
  terminal.press("Enter");
  terminal.await("executable");
  terminal.press("Escape");
  terminal.press("1");
  terminal.press("/");
  terminal.await("search:");
  terminal.press("Escape");
  terminal.press("m");
  terminal.await("since mark");
  terminal.press("p");
  terminal.await("PAUSED");
  terminal.press("?");
  terminal.await("Looking around");
  terminal.press("Escape");
  terminal.press("q");
  terminal.await("ended with 0");
  terminal.await("$ ");
  CHECK(contents(after.path()) == contents(before.path()));
  CHECK(terminal.screen().find("severity") == std::string::npos);
}

TEST_CASE("the view takes any size", "[view][beside]") {
  require_tracing();
  const LeakingShape shape;
  Tmux terminal(40, 10);
  terminal.type_line(built("leakbpf") + " --exact -p " + shape.pid());
  terminal.await("remember_order");
  terminal.resize(200, 50);
  terminal.await("outstanding");
  terminal.resize(60, 12);
  terminal.press("Enter");
  terminal.await("remember_order");
  terminal.press("q");
}

TEST_CASE("a view writes what it shows", "[view][beside]") {
  require_tracing();
  const LeakingShape shape;
  const TemporaryFile output;
  Tmux terminal;
  terminal.type_line(built("leakbpf") + " --exact -p " + shape.pid());
  terminal.await("remember_order");
  terminal.press("w");
  terminal.press("C-u");
  terminal.type_line(output.path() + ".json");
  terminal.await("wrote ");
  terminal.press("q");
  const auto written = nlohmann::json::parse(contents(output.path() + ".json"));
  CHECK(written.at("schema") == "leakbpf.snapshot/1");
  CHECK_FALSE(written.at("sites").empty());
  terminal.type_line(built("leakbpf") + " report --view " + output.path() + ".json");
  terminal.await("remember_order");
  terminal.press("q");
  std::filesystem::remove(output.path() + ".json");
}

TEST_CASE("the end of all targets stays on the screen", "[view][beside]") {
  require_tracing();
  const LeakingShape shape;
  Tmux terminal;
  terminal.type_line(built("leakbpf") + " --exact -p " + shape.pid() + "; echo ended with $?");
  terminal.await("remember_order");
  shape.end();
  terminal.await("every traced process has ended");
  terminal.press("q");
  terminal.await("ended with ");
}

TEST_CASE("a killed view leaves a sane terminal", "[view][beside]") {
  require_tracing();
  const int signal = GENERATE(SIGKILL, SIGTERM, SIGSEGV, SIGHUP);
  const LeakingShape shape;
  Tmux terminal;
  const TemporaryFile before;
  const TemporaryFile after;
  terminal.type_line(watched(before, after, "--exact -p " + shape.pid()));
  terminal.await("remember_order");
  run_program({"pkill", "-o", "-" + std::to_string(signal), "-f",
               built("leakbpf") + " --exact -p " + shape.pid() + "$"},
              10);
  // The shell goes on at once: what it says may stand on the screen that the guard takes away.
  for (int tries = 0; tries < 200 && contents(after.path()) != contents(before.path()); tries++) {
    usleep(100'000);
    terminal.type_line("stty -g >" + after.path());
  }
  CHECK(contents(after.path()) == contents(before.path()));
  terminal.type_line("echo s''ane");
  CHECK(terminal.await("sane").find("severity") == std::string::npos);
}

TEST_CASE("a target that starts later comes into the view", "[view][beside]") {
  require_tracing();
  Tmux terminal;
  const std::string seconds = std::to_string(100'000 + getpid());
  terminal.type_line(built("leakbpf") + " --exact --name 'seconds " + seconds + "'");
  terminal.await("collecting");
  Child program({built("tests/programs/shapes"), "leak", "--rate", "300", "--seconds", seconds,
                 "--seed", "1"});
  program.wait_for_prefix("ready");
  program.write_line("go");
  terminal.await("remember_order");
  terminal.press("q");
}

TEST_CASE("a terminal that can do little gets tables", "[view][beside]") {
  require_tracing();
  const LeakingShape shape;
  Tmux terminal(120, 50);
  terminal.type_line("TERM=dumb " + built("leakbpf") + " --exact -d 2 -p " + shape.pid() +
                     "; echo ended with $?");
  terminal.await("ended with 0");
  CHECK_THAT(terminal.screen(), ContainsSubstring("culprit"));
}
