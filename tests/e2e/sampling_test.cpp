// SPDX-License-Identifier: Apache-2.0
// Sampling, and the limit of its cost, on real programs with ledgers of their own. How the limit is
// kept while loads change is tested without privileges (tests/unit/governor_test.cpp).
#include "child.h"
#include "ledger.h"
#include "privileges.h"

#include <cmath>
#include <csignal>
#include <sstream>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <nlohmann/json.hpp>

using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

using Arguments = std::vector<std::string>;

Json snapshot_of(const std::vector<pid_t>& pids, const std::string& seconds,
                 const Arguments& more = {}) {
  const TemporaryFile file;
  Arguments command{built("leakbpf"), "snapshot", "-d", seconds, "-o", file.path()};
  command.insert(command.end(), more.begin(), more.end());
  for (const pid_t pid : pids)
    command.insert(command.end(), {"-p", std::to_string(pid)});
  const Finished finished = run_program(command, 120);
  INFO(finished.output);
  REQUIRE(finished.status == 0);
  return Json::parse(file.text());
}

std::string culprit(const Json& site) {
  return site.at("frames").at(site.at("culprit").get<std::size_t>()).at("function");
}

/// Bytes that it lost in a minute, by its own ledger.
double leaked_per_minute(Child& program) {
  program.signal(SIGTERM);
  std::istringstream words(program.wait_for_prefix("leaked"));
  std::string word;
  double bytes = 0;
  double seconds = 0;
  words >> word >> bytes >> seconds;
  return bytes / seconds * 60;
}

} // namespace

TEST_CASE("what is sampled is the program's own ledger, within its error", "[sampling]") {
  require_tracing();
  const std::string which = GENERATE("malloc", "calloc", "realloc", "posix_memalign");
  const bool layered = GENERATE(false, true);
  CAPTURE(which, layered);
  const TemporaryFile file;
  Arguments command{built("tests/programs/ledger"), which, "4000"};
  if (layered) // its functions call libc's: each block is to be sampled once
    command.insert(command.begin(),
                   {"env", "LD_PRELOAD=" + built("tests/programs/cet_allocator.so")});
  Child program(command);
  program.wait_for_prefix("ready");
  Child tracer({built("leakbpf"), "snapshot", "--sample-bytes", "4K", "--max-overhead", "0", "-o",
                file.path(), "-p", std::to_string(program.pid())});
  tracer.wait_for_prefix("leakbpf: tracing");
  program.write_line("go");
  double ledger = 0;
  program.wait_for([&](const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    double bytes = 0;
    if (words >> kind >> bytes && kind == "heap")
      ledger = bytes;
    return line == "done";
  });
  tracer.signal(SIGINT);
  REQUIRE(tracer.wait_end() == 0);
  const Json snapshot = Json::parse(file.text());
  double estimate = 0;
  double variance = 0;
  for (const Json& site : snapshot.at("sites"))
    if (site.at("kind") == "heap") {
      CHECK(site.at("estimated") == true);
      estimate += site.at("outstanding_bytes").get<double>();
      variance += std::pow(site.at("standard_error_bytes").get<double>(), 2);
    }
  INFO("ledger " << ledger << ", estimate " << estimate << " +- " << std::sqrt(variance));
  CHECK(variance > 0);
  CHECK(std::abs(estimate - ledger) < 5 * std::sqrt(variance));
  CHECK(snapshot.at("sampling") == Json{{"mean_bytes", 4096}, {"exact", false}});
  CHECK(snapshot.at("overhead").at("duty_cycle") == 1.0);
  check_no_losses(snapshot);
}

TEST_CASE("a busy program is followed in windows, and its leak found", "[sampling]") {
  require_tracing();
  Child program({built("tests/bench/leak_among_churn"), "50000", "7"});
  program.wait_for_prefix("ready");
  const Json snapshot = snapshot_of({program.pid()}, "30");
  const double truth = leaked_per_minute(program);
  const Json& overhead = snapshot.at("overhead");
  INFO(overhead);
  CHECK(overhead.at("duty_cycle").get<double>() < 1);
  CHECK(overhead.at("percent_of_one_core").get<double>() < 3.5);
  CHECK(snapshot.at("sampling").at("exact") == false);
  const Json& first = snapshot.at("sites").at(0);
  CHECK(culprit(first) == "(anonymous namespace)::leak_here(unsigned long)");
  CHECK(first.at("estimated") == true);
  CHECK(first.at("standard_error_bytes").get<double>() > 0);
  const double growth = first.at("growth_bytes_per_min").get<double>();
  INFO("growth " << growth << ", by the ledger " << truth);
  CHECK(growth > truth * 0.7);
  CHECK(growth < truth * 1.4);
  check_no_losses(snapshot);
}

TEST_CASE("large blocks between windows are in the last report", "[sampling]") {
  require_tracing();
  const bool ends_before = GENERATE(false, true);
  CAPTURE(ends_before);
  const TemporaryFile file;
  Child program({built("tests/programs/large_among_churn")});
  program.wait_for_prefix("ready");
  Child tracer({built("leakbpf"), "snapshot", "-o", file.path(), "--max-overhead", "1", "-d", "10",
                "-p", std::to_string(program.pid())});
  tracer.wait_for_prefix("leakbpf: tracing");
  program.write_line("go");
  std::istringstream words(program.wait_for_prefix("kept"));
  std::string word;
  double ledger = 0;
  words >> word >> ledger;
  if (ends_before)
    program.signal(SIGTERM);
  REQUIRE(tracer.wait_end() == (ends_before ? 5 : 0)); // 5: the target ended
  const Json snapshot = Json::parse(file.text());
  CHECK(snapshot.at("overhead").at("duty_cycle").get<double>() < 0.9); // else there are no windows
  double kept = 0;
  for (const Json& site : snapshot.at("sites"))
    for (const Json& frame : site.at("frames"))
      if (frame.at("function") == "keep_large")
        kept += site.at("outstanding_bytes").get<double>();
  // Of a target that has ended, one or two blocks that a window saw may be missing.
  CHECK(kept > (ends_before ? 0.85 : 0.95) * ledger);
  CHECK(kept < 1.05 * ledger);
}

TEST_CASE("all targets together stay within their limit", "[sampling]") {
  require_tracing();
  Child one({built("tests/bench/leak_among_churn"), "30000", "1"});
  Child other({built("tests/bench/leak_among_churn"), "30000", "2"});
  one.wait_for_prefix("ready");
  other.wait_for_prefix("ready");
  const Json snapshot = snapshot_of({one.pid(), other.pid()}, "15", {"--max-total-overhead", "2"});
  INFO(snapshot.at("overhead"));
  CHECK(snapshot.at("overhead").at("percent_of_one_core").get<double>() < 3);
  for (const Json& target : snapshot.at("targets"))
    CHECK(target.at("overhead").at("duty_cycle").get<double>() < 1);
}

TEST_CASE("without a limit, and with a limit that is not reached, no window closes", "[sampling]") {
  require_tracing();
  Child program({built("tests/bench/leak_among_churn"), "2000", "3"});
  program.wait_for_prefix("ready");
  for (const Arguments& more : {Arguments{"--exact"}, Arguments{"--max-overhead", "50"}}) {
    const Json snapshot = snapshot_of({program.pid()}, "3", more);
    INFO(snapshot.at("overhead"));
    CHECK(snapshot.at("overhead").at("duty_cycle") == 1.0);
    CHECK(snapshot.at("sampling").at("exact") == (more[0] == "--exact"));
  }
}

TEST_CASE("a storm of Python's pools stays within the limit", "[sampling][python]") {
  require_tracing();
  Child program({"/usr/bin/python3", LEAKBPF_SOURCE_DIR "/tests/python/pool_storm.py", "12"});
  program.wait_for_prefix("ready");
  const Json snapshot = snapshot_of({program.pid()}, "8");
  std::istringstream words(program.wait_for_prefix("begun"));
  std::string word;
  double pools = 0;
  words >> word >> pools;
  CHECK(pools > 20000 * 12); // else it is no storm
  const Json& overhead = snapshot.at("overhead");
  INFO(overhead);
  CHECK(overhead.at("percent_of_one_core").get<double>() <= 1.2 * 3);
  CHECK(overhead.at("probe_hits").get<double>() < 500000);
  check_no_losses(snapshot);
}

TEST_CASE("a storm of mmap stays within the limit, and what is missing is said", "[sampling]") {
  require_tracing();
  Child program({"/usr/bin/python3", LEAKBPF_SOURCE_DIR "/tests/python/mapping_storm.py", "10"});
  program.wait_for_prefix("ready");
  const TemporaryFile file;
  const Finished finished = run_program({built("leakbpf"), "snapshot", "-d", "8", "-o", file.path(),
                                         "-p", std::to_string(program.pid())});
  INFO(finished.output);
  REQUIRE(finished.status == 0);
  CHECK(finished.output.find("rows of kind mmap and brk end here") != std::string::npos);
  std::istringstream words(program.wait_for_prefix("mapped"));
  std::string word;
  double calls = 0;
  words >> word >> calls;
  CHECK(calls > 5000 * 10); // else it is no storm
  const Json snapshot = Json::parse(file.text());
  INFO(snapshot.at("overhead"));
  CHECK(snapshot.at("overhead").at("percent_of_one_core").get<double>() <= 1.2 * 3);
  CHECK(snapshot.at("losses").at("events_dropped").get<double>() > 5000);
  for (const Json& site : snapshot.at("sites"))
    CHECK(site.at("kind") != "mmap");
}

TEST_CASE("arenas that Python maps between windows are no rows of mappings", "[sampling][python]") {
  require_tracing();
  Child program({"/usr/bin/python3", LEAKBPF_SOURCE_DIR "/tests/python/arena_growth.py", "9"});
  program.wait_for_prefix("ready");
  const TemporaryFile file;
  Child tracer({built("leakbpf"), "snapshot", "-d", "60", "-o", file.path(), "-p",
                std::to_string(program.pid())});
  tracer.wait_for_prefix("leakbpf: tracing");
  program.write_line("go");
  program.wait_for_prefix("done");
  tracer.signal(SIGINT);
  REQUIRE(tracer.wait_end() == 0);
  const Json snapshot = Json::parse(file.text());
  CHECK(snapshot.at("overhead").at("duty_cycle") < 1);
  const Json& python = snapshot.at("targets").at(0).at("python");
  CHECK(python.at("arena_bytes") > 20 << 20);
  std::uint64_t mapped = 0;
  for (const Json& site : snapshot.at("sites"))
    if (site.at("kind") == "mmap")
      mapped += site.at("outstanding_bytes").get<std::uint64_t>();
  CHECK(mapped < 4 << 20);
}
