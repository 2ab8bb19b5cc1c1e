// SPDX-License-Identifier: Apache-2.0
// What leakbpf counts is what the program itself counts, to the byte, for every allocation
// function.
#include "ledger.h"
#include "privileges.h"

#include <cstdlib>
#include <sstream>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <nlohmann/json.hpp>

using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

/// How often each case repeats itself: LEAKBPF_TEST_ROUNDS, where that is slow.
std::string rounds() {
  const char* chosen = std::getenv("LEAKBPF_TEST_ROUNDS");
  return chosen ? chosen : "500";
}

/// leakbpf tracing a ledger program that will run `which`.
Session trace_ledger(const std::string& backend, const std::string& which) {
  return {{built("tests/programs/ledger"), which, rounds()}, backend};
}

} // namespace

TEST_CASE("outstanding equals the program's own ledger", "[ledger][beside]") {
  require_tracing();
  const std::string backend = GENERATE(from_range(backends_to_test()));
  const std::string which =
      GENERATE("malloc", "malloc-fails", "calloc", "realloc", "realloc-null", "realloc-zero",
               "realloc-fails", "reallocarray", "posix_memalign", "aligned_alloc", "memalign",
               "valloc", "pvalloc", "cfree", "new-delete", "strdup", "cross-thread-free", "mmap",
               "munmap-part", "munmap-many", "mremap", "sbrk", "brk");
  CAPTURE(backend, which);
  Session session = trace_ledger(backend, which);
  session.program.write_line("go");
  const Ledger ledger = read_ledger(session.program);
  const Json snapshot = session.finish();
  const Ledger sums = sum_sites(snapshot, session.program.pid());
  CHECK(sums == ledger);
  CHECK(ledger.at("heap").count > 0); // the churn at least
  check_no_losses(snapshot);
  const Json& target = target_of(snapshot, session.program.pid());
  CHECK(target.at("outstanding_bytes") ==
        ledger.at("heap").bytes + ledger.at("mmap").bytes + ledger.at("brk").bytes);
}

TEST_CASE("a thread that dies inside a call harms nothing", "[ledger][beside]") {
  require_tracing();
  const std::string backend = GENERATE(from_range(backends_to_test()));
  CAPTURE(backend);
  Session session = trace_ledger(backend, "thread-dies");
  session.program.write_line("go");
  const Ledger ledger = read_ledger(session.program);
  const Json snapshot = session.finish();
  CHECK(sum_sites(snapshot, session.program.pid()) == ledger);
}

TEST_CASE("a forked child is a target of its own", "[ledger][beside]") {
  require_tracing();
  const std::string backend = GENERATE(from_range(backends_to_test()));
  CAPTURE(backend);
  Session session = trace_ledger(backend, "fork");
  session.program.write_line("go");
  const std::string forked = session.program.wait_for_prefix("forked ");
  const pid_t child = std::stoi(forked.substr(7));
  session.tracer->wait_for_prefix("leakbpf: tracing PID " + std::to_string(child));
  session.program.write_line("traced");
  // Parent and child write to one pipe, in any order.
  Ledger ledger;
  bool parent_done = false;
  bool child_done = false;
  session.program.wait_for([&](const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    Account account;
    if (words >> kind >> account.bytes >> account.count)
      ledger[kind] = account;
    parent_done = parent_done || line == "done";
    child_done = child_done || line == "child-done";
    return parent_done && child_done;
  });
  const Json snapshot = session.finish();
  CHECK(sum_sites(snapshot, session.program.pid()).at("heap") == ledger.at("heap"));
  CHECK(sum_sites(snapshot, child).at("heap") == ledger.at("child-heap"));
  CHECK(target_of(snapshot, child).at("ppid") == session.program.pid());
}

TEST_CASE("exec begins with nothing outstanding", "[ledger][beside]") {
  require_tracing();
  const std::string backend = GENERATE(from_range(backends_to_test()));
  CAPTURE(backend);
  Session session = trace_ledger(backend, "exec");
  session.program.write_line("go");
  session.program.wait_for_prefix("ready");
  session.program.write_line("go");
  const Ledger ledger = read_ledger(session.program);
  const Json snapshot = session.finish();
  // Two targets with one PID: the image that ended, and the one that runs.
  const auto& targets = snapshot.at("targets");
  REQUIRE(targets.size() == 2);
  CHECK(targets[0].at("ended").is_object() != targets[1].at("ended").is_object());
  const std::size_t running = targets[0].at("ended").is_null() ? 0 : 1;
  // The new image's start (libstdc++, its threads' stacks) counts too, so: only what the case took.
  Account from_case;
  for (const Json& site : snapshot.at("sites")) {
    const std::string stack = site.at("frames").dump();
    if (site.at("target") == running && stack.find("case_calloc") != std::string::npos) {
      from_case.bytes += site.at("outstanding_bytes").get<std::int64_t>();
      from_case.count += site.at("outstanding_count").get<std::int64_t>();
    }
    if (site.at("target") == running)
      CHECK(stack.find("case_malloc") == std::string::npos);
  }
  CHECK(from_case == ledger.at("heap"));
}
