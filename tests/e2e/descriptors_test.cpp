// SPDX-License-Identifier: Apache-2.0
// A limit of open files: raised where it can be, else named, and who was left out is counted.
#include "child.h"
#include "privileges.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

using namespace leakbpf;
using namespace leakbpf::e2e;
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

/// `leakbpf ARGUMENTS` after `ulimit LIMIT`.
std::vector<std::string> limited(const std::string& limit,
                                 const std::vector<std::string>& arguments) {
  std::vector<std::string> all{"/bin/sh", "-c", "ulimit " + limit + R"(; exec "$0" "$@")",
                               built("leakbpf")};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

/// Some programs that do nothing.
struct IdlePrograms {
  explicit IdlePrograms(std::size_t count) {
    for (std::size_t i = 0; i < count; i++) {
      programs.push_back(std::make_unique<Child>(
          std::vector<std::string>{built("tests/programs/storms"), "threads", "0"}));
      programs.back()->wait_for_prefix("ready");
      pids.push_back(std::to_string(programs.back()->pid()));
    }
  }
  std::vector<std::unique_ptr<Child>> programs;
  std::vector<std::string> pids;
};

} // namespace

TEST_CASE("without descriptors for anything the error names the limit", "[descriptors]") {
  require_tracing();
  const IdlePrograms programs(1);
  for (const char* limit : {"-n 20", "-n 30", "-n 40"}) {
    CAPTURE(limit);
    const Finished run = run_program(
        limited(limit, {"snapshot", "-d", "1", "-o", "/dev/null", "-p", programs.pids.front()}));
    CHECK(run.status == 3);
    CHECK_THAT(run.output, ContainsSubstring("leakbpf: error: "));
    CHECK_THAT(run.output, ContainsSubstring("too many open files: the limit is " +
                                             std::string(limit + 3) + " (ulimit -n)"));
    CHECK_THAT(run.output, ContainsSubstring("hint: raise it"));
    CHECK_THAT(run.output, !ContainsSubstring("ended"));
  }
}

TEST_CASE("processes that no descriptors are left for are counted, not called ended",
          "[descriptors]") {
  require_tracing();
  const IdlePrograms programs(5);
  const TemporaryFile output;
  // Perf events take a descriptor for each probe of each process.
  std::vector<std::string> arguments{"snapshot", "--kinds",     "mmap,brk", "--exact",  "--backend",
                                     "perf",     "-d",          "1",        "--format", "json",
                                     "-o",       output.path(), "-p"};
  arguments.insert(arguments.end(), programs.pids.begin(), programs.pids.end());
  const Finished run = run_program(limited("-n 100", arguments));
  INFO(run.output);
  CHECK(run.status == 0);
  const Json snapshot = Json::parse(output.text());
  const auto left_out = snapshot.at("losses").at("targets_not_attached").get<std::size_t>();
  CHECK(left_out > 0);
  CHECK(left_out < programs.pids.size());
  CHECK(snapshot.at("targets").size() + left_out == programs.pids.size());
  for (const Json& target : snapshot.at("targets"))
    CHECK(target.at("ended").is_null());
  CHECK_THAT(run.output, ContainsSubstring(std::to_string(left_out) +
                                           " of 5 processes are not traced: too many open files: "
                                           "the limit is 100 (ulimit -n)"));
  CHECK_THAT(run.output, !ContainsSubstring("ended"));
  const Finished table =
      run_program({built("leakbpf"), "report", output.path(), "--format", "table"});
  CHECK_THAT(table.output, ContainsSubstring("processes not traced"));
}

TEST_CASE("many processes share their probes and need few descriptors", "[descriptors]") {
  require_tracing();
  const IdlePrograms programs(30);
  const TemporaryFile output;
  std::vector<std::string> arguments{"snapshot", "--exact", "-d",          "1", "--format",
                                     "json",     "-o",      output.path(), "-p"};
  arguments.insert(arguments.end(), programs.pids.begin(), programs.pids.end());
  const Finished run = run_program(limited("-n 100", arguments));
  INFO(run.output);
  CHECK(run.status == 0);
  const Json snapshot = Json::parse(output.text());
  CHECK(snapshot.at("targets").size() == programs.pids.size());
  CHECK(snapshot.at("losses").at("targets_not_attached") == 0);
}

TEST_CASE("a soft limit is raised, and a command gets back its own", "[descriptors]") {
  require_tracing();
  const TemporaryFile output;
  const Finished run =
      run_program(limited("-S -n 64", {"run", "-q", "-o", output.path(), "--", "/bin/sh", "-c",
                                       "echo limit $(ulimit -S -n)"}));
  INFO(run.output);
  CHECK(run.status == 0);
  CHECK_THAT(run.output, ContainsSubstring("limit 64\n"));
  CHECK_THAT(run.output, !ContainsSubstring("too many open files"));
}
