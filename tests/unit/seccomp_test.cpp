// SPDX-License-Identifier: Apache-2.0
#include "fake_proc.h"
#include "session/seccomp_guard.h"
#include "target/seccomp.h"

#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

std::string status(const std::string& mode, const std::string& name = "worker") {
  return "Name:\t" + name + "\nTgid:\t4242\nNoNewPrivs:\t1\nSeccomp:\t" + mode +
         "\nSeccomp_filters:\t" + mode + "\n";
}

/// A process with two threads.
void add_process(FakeProc& proc, const std::string& main_status, const std::string& other_status) {
  proc.add_process(fake_pid);
  proc.write(fake_pid, "status", main_status);
  std::filesystem::create_directories(proc.path(fake_pid, "task/4242"));
  std::filesystem::create_directories(proc.path(fake_pid, "task/4250"));
  proc.write(fake_pid, "task/4242/status", main_status);
  proc.write(fake_pid, "task/4250/status", other_status);
}

bool is_filtered(const std::string& main_status, const std::string& other_status) {
  FakeProc proc;
  add_process(proc, main_status, other_status);
  return is_seccomp_filtered(proc.fs(), fake_pid);
}

SeccompCheck harmful(Backend /*backend*/) {
  return {false, "killed by signal 31 (Bad system call)"};
}

TEST_CASE("a filter on any thread counts", "[seccomp]") {
  CHECK_FALSE(is_filtered(status("0"), status("0")));
  CHECK(is_filtered(status("2"), status("0")));
  CHECK(is_filtered(status("0"), status("2")));
  CHECK(is_filtered(status("1"), status("1"))); // strict mode
}

TEST_CASE("what is no line of its own is no filter", "[seccomp]") {
  // The kernel writes the line end in a name as "\n", two characters.
  const std::string name = status("0", "x\\nSeccomp:\t2");
  CHECK_FALSE(is_filtered(name, name));
  const std::string none = "Name:\tworker\nTgid:\t4242\n"; // a kernel without seccomp
  CHECK_FALSE(is_filtered(none, none));
  CHECK_FALSE(is_seccomp_filtered(FakeProc().fs(), fake_pid)); // and one that is gone
}

TEST_CASE("a filtered process is refused where return probes are harmful", "[seccomp]") {
  FakeProc proc;
  add_process(proc, status("2"), status("2"));
  const ProcFs fs = proc.fs();
  SeccompGuard guard(fs, Backend::multi, harmful);
  const auto process = inspect_process(fs, fake_pid);
  REQUIRE(process);
  const auto allowed = guard.allow_returns(*process);
  REQUIRE_FALSE(allowed);
  CHECK(allowed.error().code == ExitCode::no_target);
  CHECK_THAT(allowed.error().message, ContainsSubstring("PID 4242 (worker)"));
  CHECK_THAT(allowed.error().message, ContainsSubstring("killed by signal 31"));
  CHECK_THAT(allowed.error().hint, ContainsSubstring("--kinds pages"));
}

TEST_CASE("return probes are tried once, and only for a filtered process", "[seccomp]") {
  int tries = 0;
  SeccompCheck answer{true, ""};
  const auto check = [&](Backend /*backend*/) {
    tries++;
    return answer;
  };
  FakeProc plain;
  add_process(plain, status("0"), status("0"));
  const ProcFs plain_fs = plain.fs();
  SeccompGuard unneeded(plain_fs, Backend::session, check);
  CHECK(unneeded.allow_returns(*inspect_process(plain_fs, fake_pid)));
  CHECK(tries == 0);
  answer.harmless = GENERATE(true, false);
  FakeProc filtered;
  add_process(filtered, status("2"), status("0"));
  const ProcFs filtered_fs = filtered.fs();
  SeccompGuard guard(filtered_fs, Backend::session, check);
  for (int i = 0; i < 2; i++)
    CHECK(static_cast<bool>(guard.allow_returns(*inspect_process(filtered_fs, fake_pid))) ==
          answer.harmless);
  CHECK(tries == 1);
}

} // namespace
} // namespace leakbpf
