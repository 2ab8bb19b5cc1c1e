// SPDX-License-Identifier: Apache-2.0
#include "fake_proc.h"
#include "target/process.h"

#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <unistd.h>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

void check_no_target(const FakeProc& proc, const std::string& message) {
  const auto process = inspect_process(proc.fs(), fake_pid);
  REQUIRE_FALSE(process);
  CHECK(process.error().code == ExitCode::no_target);
  CHECK_THAT(process.error().message, ContainsSubstring(message));
}

TEST_CASE("a process is described from its files", "[process]") {
  FakeProc proc;
  proc.add_process(fake_pid, "worker (1)");
  std::filesystem::rename(proc.path(fake_pid, "exe"), proc.folder / "program");
  std::filesystem::create_symlink(proc.folder / "program", proc.path(fake_pid, "exe"));
  write_text(proc.folder / "stat", "btime 1700000000\n");
  const auto process = inspect_process(proc.fs(), fake_pid);
  REQUIRE(process);
  CHECK(process->pid == fake_pid);
  CHECK(process->ppid == 17);
  CHECK(process->comm == "worker (1)");
  CHECK(process->command_line == "/usr/bin/worker --jobs 4");
  CHECK(process->executable == proc.folder / "program");
  CHECK(process->cgroup == "/system.slice/worker.service");
  CHECK(process->start_ticks == 12345);
  const auto started = 12345 / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  CHECK(process->started_at == rfc3339(1700000000 + started));
}

TEST_CASE("an unknown time of boot leaves the start unknown", "[process]") {
  FakeProc proc;
  proc.add_process(fake_pid);
  const auto process = inspect_process(proc.fs(), fake_pid);
  REQUIRE(process);
  CHECK(process->started_at.empty());
}

TEST_CASE("this process can be described", "[process]") {
  const auto process = inspect_process(ProcFs(), getpid());
  REQUIRE(process);
  CHECK(process->ppid == getppid());
  CHECK_FALSE(process->executable.empty());
  CHECK(process->started_at.ends_with("Z"));
}

TEST_CASE("what cannot be traced is no target, and says why", "[process]") {
  FakeProc proc;
  SECTION("missing") {
    check_no_target(proc, "no process with PID 4242");
  }
  proc.add_process(fake_pid);
  SECTION("kernel thread") {
    proc.write(fake_pid, "stat", FakeProc::stat_line(fake_pid, "kthreadd", 'S', "2129984"));
    check_no_target(proc, "PID 4242 (kthreadd) is a kernel thread");
  }
  SECTION("zombie") {
    proc.write(fake_pid, "stat", FakeProc::stat_line(fake_pid, "worker", 'Z', "4194560", 1));
    check_no_target(proc, "PID 4242 (worker) has ended");
  }
  SECTION("main thread ended, others go on") {
    proc.write(fake_pid, "stat", FakeProc::stat_line(fake_pid, "worker", 'Z', "4194560", 2));
    check_no_target(proc, "the main thread of PID 4242 (worker) has ended");
  }
  SECTION("dead") {
    proc.write(fake_pid, "stat", FakeProc::stat_line(fake_pid, "worker", 'X'));
    check_no_target(proc, "has ended");
  }
  SECTION("ending: its memory is gone, its state not yet") {
    std::filesystem::remove(proc.path(fake_pid, "exe"));
    check_no_target(proc, "has ended");
  }
  SECTION("thread") {
    proc.write(fake_pid, "status", "Name:\tworker\nUmask:\t0022\nTgid:\t4200\nPid:\t4242\n");
    check_no_target(proc, "4242 is a thread of PID 4200");
    CHECK(inspect_process(proc.fs(), fake_pid).error().hint == "use -p 4200");
  }
  SECTION("32 bits") {
    proc.write(fake_pid, "exe", FakeProc::elf_header('\1'));
    check_no_target(proc, "32-bit");
  }
}

TEST_CASE("a name that looks like another field is only a name", "[process]") {
  FakeProc proc;
  proc.add_process(fake_pid, "Tgid: 99");
  CHECK(inspect_process(proc.fs(), fake_pid));
}

TEST_CASE("a program that cannot be read cannot be traced", "[process]") {
  FakeProc proc;
  proc.add_process(fake_pid);
  std::filesystem::remove(proc.path(fake_pid, "exe"));
  std::filesystem::create_directory(proc.path(fake_pid, "exe")); // can be opened, and not be read
  const auto process = inspect_process(proc.fs(), fake_pid);
  REQUIRE_FALSE(process);
  CHECK(process.error().code == ExitCode::cannot_trace);
  CHECK_FALSE(process.error().hint.empty());
}

TEST_CASE("times are written in UTC", "[process]") {
  CHECK(rfc3339(0) == "1970-01-01T00:00:00Z");
  CHECK(rfc3339(1709210096) == "2024-02-29T12:34:56Z");
}

} // namespace
} // namespace leakbpf
