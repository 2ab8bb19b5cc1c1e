// SPDX-License-Identifier: Apache-2.0
// What leakbpf itself takes and may do, whatever its targets and files are like.
#include "child.h"
#include "privileges.h"
#include "target/kernel_file.h"
#include "temporary_directory.h"

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <linux/capability.h>
#include <unistd.h>

using namespace leakbpf::e2e;
using Catch::Matchers::ContainsSubstring;
using leakbpf::TemporaryDirectory;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t bit(int capability) {
  return std::uint64_t{1} << capability;
}

std::string field(const std::string& status, const std::string& name) {
  std::istringstream lines(status);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(name + ":\t"))
      return line.substr(name.size() + 2);
  return "";
}

/// Runs a program; the last line of the output is the most memory that it had resident, in KiB.
Finished run_measured(std::vector<std::string> arguments) {
  const std::string wrapper =
      "import resource, subprocess, sys\n"
      "ended = subprocess.run(sys.argv[1:])\n"
      "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, flush=True)\n"
      "sys.exit(ended.returncode)\n";
  std::vector<std::string> all{"python3", "-c", wrapper};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return run_program(all, 120);
}

std::uint64_t peak_mib(const Finished& finished) {
  return std::stoull(finished.output.substr(finished.output.rfind("peak ") + 5)) / 1024;
}

/// `mebibytes` of zeros, packed.
void write_bomb(const std::string& path, int mebibytes) {
  REQUIRE(run_program({"sh", "-c",
                       "head -c " + std::to_string(mebibytes) + "M /dev/zero | gzip -1 > " + path})
              .status == 0);
}

} // namespace

TEST_CASE("a tracing leakbpf keeps no right that it does not need", "[limits]") {
  require_tracing();
  const std::string backend = GENERATE(from_range(backends_to_test()));
  INFO(backend);
  Child program({built("leakbpf-demo")});
  Child tracer(
      {built("leakbpf"), "--backend", backend, "-i", "0.2", "-p", std::to_string(program.pid())});
  tracer.wait_for_prefix("leakbpf: tracing");
  std::uint64_t allowed = bit(CAP_SYS_PTRACE) | bit(CAP_DAC_READ_SEARCH) | bit(38) | bit(39) |
                          bit(40); // CAP_PERFMON, CAP_BPF, CAP_CHECKPOINT_RESTORE
  if (backend == "perf")
    allowed |= bit(CAP_SYS_ADMIN);
  std::size_t threads = 0;
  for (const auto& task :
       fs::directory_iterator("/proc/" + std::to_string(tracer.pid()) + "/task")) {
    const auto status = leakbpf::read_kernel_file(task.path() / "status");
    if (!status)
      continue; // it ended
    threads++;
    INFO(*status);
    for (const char* set : {"CapEff", "CapPrm", "CapBnd"})
      CHECK((std::stoull(field(*status, set), nullptr, 16) & ~allowed) == 0);
    CHECK(field(*status, "NoNewPrivs") == "1");
  }
  CHECK(threads >= 1);
  tracer.signal(SIGINT);
  CHECK(tracer.wait_end() == 0);
}

TEST_CASE("a command of run has the rights and limits that leakbpf was given", "[limits]") {
  require_tracing();
  const std::string show =
      "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; ulimit -n; ulimit "
      "-d";
  const std::string own = run_program({"sh", "-c", show}).output;
  // What leakbpf itself has to say (of a child that ended at once) is not looked at.
  const Finished traced =
      run_program({"sh", "-c", R"(exec "$0" run -q -o /dev/null -- sh -c "$1" 2>/dev/null)",
                   built("leakbpf"), show});
  CHECK(traced.status == 0);
  CHECK(traced.output == own);
}

TEST_CASE("a snapshot that would take too much memory is refused by its header", "[limits]") {
  const TemporaryDirectory folder;
  write_bomb(folder / "bomb.leakbpf", 400);
  const Finished refused =
      run_measured({built("leakbpf"), "report", "--max-memory", "512M", folder / "bomb.leakbpf"});
  INFO(refused.output);
  CHECK(refused.status == 6);
  CHECK_THAT(refused.output, ContainsSubstring("unpacks to 419430400 bytes"));
  CHECK_THAT(refused.output, ContainsSubstring("hint: --max-memory"));
  CHECK(peak_mib(refused) < 64);
  // A pipe has no size, and gzip's last bytes can say anything.
  const Finished piped = run_measured({"sh", "-c", "exec \"$@\" < /dev/stdin", "sh", "sh", "-c",
                                       "cat " + folder / "bomb.leakbpf" + " | " + built("leakbpf") +
                                           " report --max-memory 512M -"});
  INFO(piped.output);
  CHECK(piped.status == 6);
  CHECK_THAT(piped.output, ContainsSubstring("leakbpf: error: "));
  CHECK(peak_mib(piped) < 512);
}

TEST_CASE("memory that runs out is said, and nothing is left behind", "[limits]") {
  const TemporaryDirectory folder;
  {
    std::ofstream snapshot(folder / "large.json");
    snapshot << R"({"schema": "leakbpf.snapshot/1", "padding": ")" << std::string(12 << 20, 'x');
    for (int i = 0; i < 4; i++)
      snapshot << std::string(16 << 20, 'y');
    snapshot << "\"}";
  }
  const Finished refused =
      run_measured({built("leakbpf"), "report", "--max-memory", "64M", folder / "large.json"});
  INFO(refused.output);
  CHECK(refused.status == 6);
  CHECK_THAT(refused.output, ContainsSubstring("leakbpf: error: "));
  CHECK(peak_mib(refused) < 96); // with the libraries' own
}

TEST_CASE("a target's mappings do not decide what leakbpf takes", "[limits]") {
  require_tracing();
  const auto mode = GENERATE(std::string("many"), std::string("grow"));
  INFO(mode);
  const TemporaryDirectory folder;
  fs::copy_file(built("tests/programs/hostile_mapping"), folder / "library.so");
  Child program({built("tests/programs/hostile_mapping"), folder / "library.so", mode});
  program.wait_for_prefix("ready");
  const Finished finished =
      run_measured({built("leakbpf"), "snapshot", "--exact", "-d", "2", "--max-memory", "256M",
                    "-o", folder / "out.json", "-p", std::to_string(program.pid())});
  INFO(finished.output);
  CHECK(finished.status == 0);
  CHECK(peak_mib(finished) < 256);
}
