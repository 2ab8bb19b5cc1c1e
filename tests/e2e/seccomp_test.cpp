// SPDX-License-Identifier: Apache-2.0
// Programs whose system calls are filtered: they live through attach, tracing and detach, or are
// refused.
#include "child.h"
#include "privileges.h"
#include "session/tracer.h"

#include <csignal>
#include <cstdlib>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

using namespace leakbpf;
using namespace leakbpf::e2e;
using Catch::Matchers::ContainsSubstring;
using Json = nlohmann::json;

namespace {

/// leakbpf tracing every block of `pid`.
std::unique_ptr<Child> trace(const std::string& backend, pid_t pid, const TemporaryFile& output) {
  std::vector<std::string> arguments{built("leakbpf"), "snapshot", "--exact",          "-o",
                                     output.path(),    "-p",       std::to_string(pid)};
  if (backend != "auto")
    arguments.insert(arguments.end(), {"--backend", backend});
  auto tracer = std::make_unique<Child>(arguments);
  tracer->wait_for_prefix("leakbpf: tracing");
  return tracer;
}

std::string heap_of(const Json& snapshot) {
  std::int64_t bytes = 0;
  std::int64_t count = 0;
  for (const Json& site : snapshot.at("sites")) {
    if (site.at("kind") != "heap")
      continue;
    bytes += site.at("outstanding_bytes").get<std::int64_t>();
    count += site.at("outstanding_count").get<std::int64_t>();
  }
  return "heap " + std::to_string(bytes) + " " + std::to_string(count);
}

TraceOptions options_for(pid_t pid) {
  TraceOptions options;
  options.pids = {pid};
  // As on a kernel whose return probes need a system call.
  options.check_seccomp = [](Backend /*backend*/) {
    return SeccompCheck{false, "killed by signal 11 (Segmentation fault)"};
  };
  return options;
}

} // namespace

TEST_CASE("a program under a strict filter lives through tracing, to the byte",
          "[seccomp][beside]") {
  require_tracing();
  const std::string backend = GENERATE(from_range(backends_to_test()));
  const std::string otherwise = GENERATE("kill", "refuse");
  CAPTURE(backend, otherwise);
  const char* rounds = std::getenv("LEAKBPF_TEST_ROUNDS");
  Child program({built("tests/programs/seccomp_filtered"), rounds ? rounds : "2000", otherwise});
  program.wait_for_prefix("ready");
  const TemporaryFile output;
  const auto tracer = trace(backend, program.pid(), output);
  program.write_line("go");
  const std::string heap = program.wait_for_prefix("heap ");
  program.wait_for_prefix("done");
  tracer->signal(SIGINT);
  REQUIRE(tracer->wait_end() == 0);
  CHECK(heap_of(Json::parse(output.text())) == heap);
  // And once more, with probes that come and go while it takes and gives back.
  program.write_line("go");
  program.wait_for_prefix("churns");
  const auto again = trace(backend, program.pid(), output);
  again->signal(SIGINT);
  CHECK(again->wait_end() == 0);
  program.write_line("stop");
  CHECK(program.wait_end() == 3);
}

TEST_CASE("return probes do no harm to filtered processes here", "[seccomp][beside]") {
  require_tracing();
  for (const Backend backend : {Backend::session, Backend::multi, Backend::perf}) {
    if (!check_backend(backend).works)
      continue;
    CAPTURE(backend_name(backend));
    const SeccompCheck check = check_seccomp(backend);
    CHECK(check.reason.empty());
    CHECK(check.harmless);
  }
}

TEST_CASE("where they would, a filtered process is refused and left alone", "[seccomp][beside]") {
  require_tracing();
  Child program({built("tests/programs/seccomp_filtered"), "100"});
  program.wait_for_prefix("ready");
  const ProcFs proc;
  const auto tracer = Tracer::start(proc, options_for(program.pid()));
  REQUIRE_FALSE(tracer);
  CHECK(tracer.error().code == ExitCode::no_target);
  CHECK_THAT(tracer.error().message, ContainsSubstring("seccomp filter"));
  CHECK_THAT(tracer.error().hint, ContainsSubstring("--kinds pages"));
  for (int i = 0; i < 3; i++)
    program.write_line("go");
  CHECK(program.wait_end() == 3);
}

TEST_CASE("its pages can be followed all the same", "[seccomp][beside]") {
  require_tracing();
  Child program({built("tests/programs/seccomp_filtered"), "100"});
  program.wait_for_prefix("ready");
  const ProcFs proc;
  TraceOptions options = options_for(program.pid());
  options.kernel.heap = options.kernel.mmap = options.kernel.brk = options.kernel.python = false;
  options.kernel.pages = true;
  const auto tracer = Tracer::start(proc, std::move(options));
  REQUIRE(tracer);
  (*tracer)->run_until(0.1, -1);
  for (int i = 0; i < 3; i++)
    program.write_line("go");
  CHECK(program.wait_end() == 3);
}

TEST_CASE("a filtered child is warned of and left alone, its parent traced",
          "[seccomp][shell][beside]") {
  require_tracing();
  Child program(
      {"sh", "-c",
       "read line; " + built("tests/programs/seccomp_filtered") + " 100 exec; echo ended $?"});
  const ProcFs proc;
  TraceOptions options = options_for(program.pid());
  std::string warnings;
  options.warn = [&](const std::string& text) { warnings += text + "\n"; };
  const auto tracer = Tracer::start(proc, std::move(options));
  REQUIRE(tracer);
  program.write_line("go");
  program.wait_for_prefix("ready");
  (*tracer)->run_until((*tracer)->elapsed() + 0.5, -1);
  CHECK_THAT(warnings, ContainsSubstring("(seccomp_filtere)"));
  CHECK_THAT(warnings, ContainsSubstring("seccomp filter"));
  CHECK_FALSE((*tracer)->all_ended());
  for (int i = 0; i < 3; i++)
    program.write_line("go");
  program.wait_for_prefix("ended 3");
}
