// SPDX-License-Identifier: Apache-2.0
// More processes than have probes of their own: those that are for every process count for each
// target what is its own, and for nobody else.
#include "child.h"
#include "privileges.h"

#include <csignal>
#include <memory>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

using Programs = std::vector<std::unique_ptr<Child>>;

/// That wait for a line before they allocate, each with one thread that does.
Programs start_ledgers(std::size_t count, const std::string& calls) {
  Programs programs;
  for (std::size_t i = 0; i < count; i++) {
    programs.push_back(std::make_unique<Child>(
        std::vector<std::string>{built("tests/programs/ledger"), "malloc", calls, "alone"}));
    programs.back()->wait_for_prefix("ready");
  }
  return programs;
}

/// "heap BYTES COUNT" as the program counted it.
std::string ledger_of(Child& program) {
  program.write_line("go");
  std::string heap = program.wait_for_prefix("heap ");
  program.wait_for_prefix("done");
  return heap;
}

/// Of a program that was followed before its threads began.
bool is_of_thread_start(const Json& site) {
  for (const Json& frame : site.at("frames"))
    if (frame.at("function") == "pthread_create")
      return true;
  return false;
}

/// The same as leakbpf counted it.
std::string counted(const Json& snapshot, pid_t pid) {
  std::uint64_t bytes = 0;
  std::uint64_t count = 0;
  for (const Json& site : snapshot.at("sites")) {
    if (site.at("pid") != pid || site.at("kind") != "heap" || is_of_thread_start(site))
      continue;
    bytes += site.at("outstanding_bytes").get<std::uint64_t>();
    count += site.at("outstanding_count").get<std::uint64_t>();
  }
  return fmt::format("heap {} {}", bytes, count);
}

std::string joined_pids(const Programs& programs) {
  std::string pids;
  for (const auto& program : programs)
    pids += std::to_string(program->pid()) + ",";
  return pids;
}

} // namespace

TEST_CASE("many targets share probes, and each has its own ledger", "[many]") {
  require_tracing();
  const std::string backend = GENERATE(from_range(backends_to_test()));
  CAPTURE(backend);
  const Programs targets = start_ledgers(20, "200");
  const Programs others = start_ledgers(2, "300");
  const TemporaryFile output;
  Child tracer({built("leakbpf"), "snapshot", "--exact", "--backend", backend, "-o", output.path(),
                "-p", joined_pids(targets)});
  tracer.wait_for_prefix("leakbpf: tracing 20 processes");
  std::vector<std::string> ledgers;
  for (const auto& program : targets)
    ledgers.push_back(ledger_of(*program));
  for (const auto& program : others)
    ledger_of(*program);
  tracer.signal(SIGINT);
  REQUIRE(tracer.wait_end() == 0);
  const Json snapshot = Json::parse(output.text());
  CHECK(snapshot.at("targets").size() == 20);
  for (std::size_t i = 0; i < targets.size(); i++)
    CHECK(counted(snapshot, targets[i]->pid()) == ledgers[i]);
}

TEST_CASE("probes of a process's own and shared ones count each call once", "[many]") {
  require_tracing();
  // Perf events are opened one by one: those of sixteen processes take minutes.
  const std::string backend = GENERATE("session", "multi");
  CAPTURE(backend);
  // By name, those of its own come first; when there are too many, what starts later shares.
  const std::string calls = fmt::format("10{}", 10 + static_cast<int>(backend.size()));
  Programs early = start_ledgers(14, calls);
  const TemporaryFile output;
  Child tracer({built("leakbpf"), "snapshot", "--exact", "--backend", backend, "-o", output.path(),
                "--name", "ledger malloc " + calls});
  for (const auto& program : early)
    tracer.wait_for_prefix(fmt::format("leakbpf: tracing PID {} ", program->pid()));
  Programs late;
  for (int i = 0; i < 6; i++) {
    late.push_back(std::move(start_ledgers(1, calls).front()));
    tracer.wait_for_prefix(fmt::format("leakbpf: tracing PID {} ", late.back()->pid()));
  }
  std::vector<std::string> ledgers;
  for (Programs* programs : {&early, &late})
    for (const auto& program : *programs)
      ledgers.push_back(ledger_of(*program));
  tracer.signal(SIGINT);
  REQUIRE(tracer.wait_end() == 0);
  const Json snapshot = Json::parse(output.text());
  std::size_t at = 0;
  for (Programs* programs : {&early, &late})
    for (const auto& program : *programs)
      CHECK(counted(snapshot, program->pid()) == ledgers[at++]);
}

TEST_CASE("a selection waits for its first process, and outlives its last", "[many]") {
  require_tracing();
  const TemporaryFile output;
  Child tracer({built("leakbpf"), "snapshot", "--exact", "-o", output.path(), "--name",
                "ledger malloc 4321"});
  tracer.wait_for_prefix("leakbpf: waiting");
  std::vector<std::string> ledgers;
  std::vector<pid_t> pids;
  for (int i = 0; i < 2; i++) {
    Programs one = start_ledgers(1, "4321");
    pids.push_back(one.front()->pid());
    tracer.wait_for_prefix(fmt::format("leakbpf: tracing PID {} ", pids.back()));
    ledgers.push_back(ledger_of(*one.front()));
    one.front()->signal(SIGKILL);
    one.front()->wait_end();
  }
  tracer.signal(SIGINT);
  CHECK(tracer.wait_end() == 0);
  const Json snapshot = Json::parse(output.text());
  for (std::size_t i = 0; i < pids.size(); i++)
    CHECK(counted(snapshot, pids[i]) == ledgers[i]);
}
