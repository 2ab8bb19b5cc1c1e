// SPDX-License-Identifier: Apache-2.0
// Whatever ends leakbpf or its target: nothing stays behind, and what was found is written.
#include "child.h"
#include "privileges.h"
#include "session/tracer.h"

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include <bpf/bpf.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace leakbpf;
using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

std::size_t count_bpf_links() {
  std::size_t links = 0;
  for (std::uint32_t id = 0; bpf_link_get_next_id(id, &id) == 0;)
    links++;
  return links;
}

/// The kernel frees the links of a killed process a moment after its end.
bool links_return_to(std::size_t expected) {
  for (int tries = 0; tries < 100; tries++) {
    if (count_bpf_links() == expected)
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return false;
}

std::size_t count_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    count++;
  return count;
}

std::unique_ptr<Child> start_leakbpf(const std::vector<std::string>& arguments) {
  std::vector<std::string> all{built("leakbpf")};
  all.insert(all.end(), arguments.begin(), arguments.end());
  auto child = std::make_unique<Child>(all);
  child->wait_for_prefix("leakbpf: tracing");
  return child;
}

/// Of a program that says "ready", begins at a line, and says "done".
Json exact_snapshot(const std::vector<std::string>& command) {
  Child program(command);
  program.wait_for_prefix("ready");
  const TemporaryFile output;
  const auto tracer = start_leakbpf(
      {"snapshot", "--exact", "-o", output.path(), "-p", std::to_string(program.pid())});
  program.write_line("go");
  program.wait_for_prefix("done");
  tracer->signal(SIGINT);
  CHECK(tracer->wait_end() == 0);
  return Json::parse(output.text());
}

} // namespace

TEST_CASE("no probe is left after any end of leakbpf", "[robustness]") {
  require_tracing();
  const std::string backend = GENERATE(from_range(backends_to_test()));
  const int signal = GENERATE(SIGINT, SIGTERM, SIGKILL);
  CAPTURE(backend, signal);
  const std::size_t links_before = count_bpf_links();
  Child program({built("leakbpf-demo")});
  std::vector<std::string> arguments{"-p", std::to_string(program.pid())};
  if (backend != "auto")
    arguments.insert(arguments.end(), {"--backend", backend});
  const auto tracer = start_leakbpf(arguments);
  CHECK(count_bpf_links() > links_before);
  tracer->signal(signal);
  const int status = tracer->wait_end();
  CHECK(status == (signal == SIGKILL ? 128 + SIGKILL : 0));
  CHECK(links_return_to(links_before));
  CHECK(kill(program.pid(), 0) == 0); // the target goes on
}

TEST_CASE("a session gives back every descriptor", "[robustness]") {
  require_tracing();
  const std::string backend = GENERATE(from_range(backends_to_test()));
  Child program({built("leakbpf-demo")});
  const ProcFs proc;
  const auto trace = [&] {
    TraceOptions options;
    options.pids = {program.pid()};
    options.backend = parse_backend(backend);
    auto tracer = Tracer::start(proc, std::move(options));
    REQUIRE(tracer);
    (*tracer)->run_until(0.1, -1);
    (*tracer)->sample();
    (void)(*tracer)->report(5, site_order(SortOrder::bytes));
  };
  trace(); // libraries keep a few for good
  const std::size_t before = count_descriptors();
  trace();
  CHECK(count_descriptors() == before);
}

TEST_CASE("two tracers of one target both count right", "[robustness]") {
  require_tracing();
  Child program({built("tests/programs/ledger"), "malloc", "300"});
  program.wait_for_prefix("ready");
  const std::string pid = std::to_string(program.pid());
  const TemporaryFile first_output;
  const TemporaryFile second_output;
  const auto first = start_leakbpf({"snapshot", "--exact", "-o", first_output.path(), "-p", pid});
  const auto second = start_leakbpf({"snapshot", "--exact", "-o", second_output.path(), "-p", pid});
  program.write_line("go");
  const std::string heap = program.wait_for_prefix("heap ");
  program.wait_for_prefix("done");
  for (const auto* tracer : {&first, &second}) {
    (*tracer)->signal(SIGINT);
    CHECK((*tracer)->wait_end() == 0);
  }
  const auto outstanding = [](const TemporaryFile& file) {
    const Json target = Json::parse(file.text()).at("targets").at(0);
    return "heap " + target.at("outstanding_bytes").dump() + " " +
           target.at("outstanding_count").dump();
  };
  CHECK(outstanding(first_output) == heap);
  CHECK(outstanding(second_output) == heap);
}

TEST_CASE("a target that ends early: what there is is written, exit code 5", "[robustness]") {
  require_tracing();
  Child program({built("leakbpf-demo")});
  const TemporaryFile output;
  const auto tracer = start_leakbpf(
      {"snapshot", "-o", output.path(), "-d", "60", "-p", std::to_string(program.pid())});
  program.signal(SIGTERM);
  CHECK(tracer->wait_end() == 5);
  const Json snapshot = Json::parse(output.text());
  const Json ended = snapshot.at("targets").at(0).at("ended");
  CHECK(ended.at("how") == "killed by signal 15 (Terminated)");
}

TEST_CASE("a target that ends while leakbpf attaches is no such target", "[robustness]") {
  require_tracing();
  const int delay_ms = GENERATE(5, 20, 40, 80, 120, 160, 200, 250);
  Child program({built("leakbpf-demo")});
  const TemporaryFile output;
  Child tracer({built("leakbpf"), "snapshot", "-o", output.path(), "-d", "60", "-p",
                std::to_string(program.pid())});
  std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
  program.signal(SIGKILL);
  program.wait_end();
  const int status = tracer.wait_end();
  const std::string said = tracer.rest();
  CAPTURE(delay_ms, said);
  CHECK((status == 4 || status == 5)); // before, or after the attach was done
  if (status == 5)
    CHECK(said.find("every traced process ended after") != std::string::npos);
}

TEST_CASE("a target that runs another program while leakbpf attaches is traced", "[robustness]") {
  require_tracing();
  const std::string delay = GENERATE("0.02", "0.06", "0.1", "0.14", "0.18", "0.25");
  CAPTURE(delay);
  Child program({"sh", "-c", "sleep " + delay + "; exec " + built("leakbpf-demo")});
  const TemporaryFile output;
  const Finished finished = run_program({built("leakbpf"), "snapshot", "-o", output.path(), "-d",
                                         "2", "-p", std::to_string(program.pid())});
  INFO(finished.output);
  REQUIRE(finished.status == 0);
  const Json snapshot = Json::parse(output.text());
  CHECK(snapshot.at("targets").dump().find("\"leakbpf-demo\"") != std::string::npos);
  CHECK(snapshot.at("sites").dump().find("remember_session") != std::string::npos);
}

TEST_CASE("a library that is opened late is named, even after it was closed", "[robustness]") {
  require_tracing();
  const Json snapshot =
      exact_snapshot({built("tests/programs/plugin_host"), built("tests/programs/plugin.so")});
  bool found = false;
  for (const Json& site : snapshot.at("sites")) {
    const Json& frame = site.at("frames").at(0);
    if (frame.at("function") != "plugin_leak")
      continue;
    found = true;
    CHECK(site.at("outstanding_count") == 7);
    CHECK(site.at("outstanding_bytes") == 7 * 12345);
    CHECK(frame.at("module").get<std::string>().ends_with("plugin.so"));
    CHECK(frame.at("line").is_number());
    CHECK(site.at("culprit") == 0);
  }
  CHECK(found);
}

TEST_CASE("of libraries that lie at one address in turn the one that leaks is named",
          "[robustness]") {
  require_tracing();
  constexpr int rounds = 200;
  const Json snapshot =
      exact_snapshot({built("tests/programs/plugin_host"), built("tests/programs/plugin.so"),
                      std::to_string(rounds), built("tests/programs/plugin_other.so")});
  std::int64_t leaked = 0;
  std::int64_t named = 0;
  for (const Json& site : snapshot.at("sites")) {
    if (site.at("kind") != "heap" || site.at("allocated_bytes").get<std::int64_t>() % 12345 != 0)
      continue;
    const auto count = site.at("outstanding_count").get<std::int64_t>();
    leaked += count;
    const std::string module = site.at("frames").at(0).value("module", "");
    CAPTURE(site.at("frames").dump());
    CHECK(!module.ends_with("plugin_other.so")); // rather no name than a wrong one
    if (site.at("frames").at(0).at("function") == "plugin_leak" && module.ends_with("plugin.so"))
      named += count;
  }
  CHECK(leaked == rounds);
  CHECK(named >= rounds * 9 / 10); // at first no table of it is there yet
}

TEST_CASE("two layers of allocators, built with CET, count once", "[robustness]") {
  require_tracing();
  const std::string which =
      GENERATE("malloc", "calloc", "realloc", "realloc-fails", "posix_memalign", "aligned_alloc");
  CAPTURE(which);
  Child program({"env", "LD_PRELOAD=" + built("tests/programs/cet_allocator.so"),
                 built("tests/programs/ledger"), which, "300"});
  program.wait_for_prefix("ready");
  const TemporaryFile output;
  const auto tracer = start_leakbpf(
      {"snapshot", "--exact", "-o", output.path(), "-p", std::to_string(program.pid())});
  program.write_line("go");
  const std::string heap = program.wait_for_prefix("heap ");
  program.wait_for_prefix("done");
  tracer->signal(SIGINT);
  CHECK(tracer->wait_end() == 0);
  const Json target = Json::parse(output.text()).at("targets").at(0);
  CHECK("heap " + target.at("outstanding_bytes").dump() + " " +
            target.at("outstanding_count").dump() ==
        heap);
}
