// SPDX-License-Identifier: Apache-2.0
// Each failure has its exit code, one sentence, and a hint where something can be done.
#include "child.h"
#include "privileges.h"

#include <csignal>
#include <filesystem>
#include <fstream>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <unistd.h>

using namespace leakbpf::e2e;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;

namespace {

Finished leakbpf_with(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), built("leakbpf"));
  return run_program(arguments);
}

/// Runs a shell script in a mount namespace of its own; "$@" is leakbpf and `arguments`.
Finished in_namespace(const std::string& script, std::vector<std::string> arguments,
                      std::vector<std::string> unshare = {"unshare", "-m"}) {
  unshare.insert(unshare.end(), {"sh", "-c", script + " && \"$@\"", "sh", built("leakbpf")});
  unshare.insert(unshare.end(), arguments.begin(), arguments.end());
  return run_program(unshare);
}

void check_error(const Finished& finished, int status, const std::string& message,
                 const std::string& hint) {
  INFO(finished.output);
  CHECK(finished.status == status);
  CHECK_THAT(finished.output, ContainsSubstring("leakbpf: error: "));
  CHECK_THAT(finished.output, ContainsSubstring(message));
  if (!hint.empty()) {
    CHECK_THAT(finished.output, ContainsSubstring("hint: "));
    CHECK_THAT(finished.output, ContainsSubstring(hint));
  }
}

std::string own_pid() {
  return std::to_string(getpid());
}

} // namespace

TEST_CASE("wrong command lines end with 2", "[errors][beside]") {
  check_error(leakbpf_with({}), 2, "no target", "-p PID");
  check_error(leakbpf_with({"-p", "seven"}), 2, "seven", "--help");
  check_error(leakbpf_with({"-p", "1", "--sample-bytes", "16Q"}), 2,
              "--sample-bytes takes a size from 1 to 1T", "");
  check_error(leakbpf_with({"-p", "1", "--exact", "--sample-bytes", "16K"}), 2, "--exact", "");
  check_error(leakbpf_with({"-p", "1", "--no-such-option"}), 2, "--no-such-option", "");
}

TEST_CASE("targets that are none end with 4", "[errors][beside]") {
  check_error(leakbpf_with({"-p", "4194000"}), 4, "no process with PID 4194000", "ps -p");
  if (geteuid() != 0)
    SKIP("reading another user's processes needs root");
  if (std::filesystem::exists("/proc/2"))
    check_error(leakbpf_with({"-p", "2"}), 4, "kernel thread", "");
  Child bare({built("tests/programs/no_allocator")});
  usleep(50'000);
  check_error(leakbpf_with({"-p", std::to_string(bare.pid())}), 4, "no allocator found",
              "--object");
}

TEST_CASE("of several targets, those that can be traced are", "[errors][beside]") {
  require_tracing();
  Child program({built("leakbpf-demo")});
  const Finished finished = leakbpf_with({"snapshot", "-d", "0.2", "-o", "/dev/null", "-p",
                                          "4194000," + std::to_string(program.pid())});
  INFO(finished.output);
  CHECK(finished.status == 0);
  CHECK_THAT(finished.output, ContainsSubstring("warning: no process with PID 4194000"));
}

TEST_CASE("output that cannot be written ends with 6, before anything is traced",
          "[errors][beside]") {
  check_error(leakbpf_with({"snapshot", "-p", own_pid(), "-o", "/no/such/folder/leak.json"}), 6,
              "/no/such/folder/leak.json", "");
  check_error(leakbpf_with({"snapshot", "-p", own_pid(), "-o", "/tmp"}), 6, "/tmp", "");
}

TEST_CASE("a full disk ends with 6 and leaves no half file", "[errors][beside]") {
  require_tracing();
  Child program({built("leakbpf-demo")});
  usleep(300'000);
  const std::string folder = std::filesystem::temp_directory_path() / ("leakbpf-full-" + own_pid());
  std::filesystem::create_directory(folder);
  // What the folder holds afterwards is listed inside, since the mount goes with the namespace.
  const Finished finished =
      run_program({"unshare", "-m", "sh", "-c",
                   "mount -t tmpfs -o size=4k none " + folder + " && " + built("leakbpf") +
                       " snapshot -d 0.5 -i 0.05 -o " + folder + "/leak.json -p " +
                       std::to_string(program.pid()) + "; status=$?; echo left: $(ls -A " + folder +
                       "); exit $status"});
  std::filesystem::remove(folder);
  check_error(finished, 6, "No space left on device", "disk is full");
  CHECK_THAT(finished.output, EndsWith("left:\n"));
}

TEST_CASE("missing rights end with 3 and are named", "[errors][beside]") {
  require_tracing();
  Child program({built("leakbpf-demo")});
  const std::string pid = std::to_string(program.pid());
  check_error(run_program({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                           built("leakbpf"), "-p", pid}),
              3, "", "root");
  check_error(
      run_program({"setpriv", "--bounding-set", "-bpf,-sys_admin", built("leakbpf"), "-p", pid}), 3,
      "CAP_BPF is missing", "root");
}

TEST_CASE("a kernel that cannot be traced ends with 3 and says why", "[errors][beside]") {
  require_tracing();
  Child program({built("leakbpf-demo")});
  const std::vector<std::string> target{"-p", std::to_string(program.pid())};
  check_error(in_namespace("mount -t tmpfs none /sys/kernel/btf", target), 3, "no type information",
              "BTF");
  check_error(
      in_namespace("mkdir -p /sys/kernel/security; mount -t tmpfs none /sys/kernel/security && "
                   "echo 'none integrity [confidentiality]' > /sys/kernel/security/lockdown",
                   target),
      3, "locked down", "lockdown");
  check_error(in_namespace("true", {"-p", "1"}, {"unshare", "-p", "-f", "--mount-proc"}), 3,
              "PID namespace", "hostPID");
}

TEST_CASE("doctor shows the plan of a process", "[errors][beside]") {
  require_tracing();
  Child program({built("leakbpf-demo")});
  usleep(50'000);
  const Finished finished = leakbpf_with({"doctor", "-p", std::to_string(program.pid())});
  INFO(finished.output);
  CHECK(finished.status == 0);
  CHECK_THAT(finished.output, ContainsSubstring("leakbpf uses: "));
  CHECK_THAT(finished.output, ContainsSubstring("posix_memalign"));
}

TEST_CASE("demo shows its leak with function and line", "[errors][beside]") {
  require_tracing();
  const Finished finished = leakbpf_with({"demo", "-d", "2", "-i", "1"});
  INFO(finished.output);
  CHECK(finished.status == 0);
  CHECK_THAT(finished.output, ContainsSubstring("remember_session"));
  CHECK_THAT(finished.output, ContainsSubstring("leaky_shop.cpp:"));
}
