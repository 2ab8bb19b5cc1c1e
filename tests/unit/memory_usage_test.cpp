// SPDX-License-Identifier: Apache-2.0
#include "fake_proc.h"
#include "target/memory_usage.h"

#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <unistd.h>

namespace leakbpf {
namespace {

using Catch::Matchers::ContainsSubstring;

const std::string living = "Name:\tworker\n"
                           "Groups:\t4 24 27 \n"
                           "VmPeak:\t  999999 kB\n"
                           "VmSize:\t  500000 kB\n"
                           "VmHWM:\t   888888 kB\n"
                           "VmRSS:\t    1624 kB\n"
                           "RssAnon:\t     112 kB\n"
                           "RssFile:\t    1502 kB\n"
                           "RssShmem:\t      10 kB\n"
                           "VmData:\t     360 kB\n"
                           "VmSwap:\t      48 kB\n"
                           "Threads:\t17\n";
const std::string zombie = "Name:\tworker\nState:\tZ (zombie)\nThreads:\t1\n";

TEST_CASE("memory is counted by kind, in bytes", "[memory_usage]") {
  FakeProc proc;
  proc.write(fake_pid, "status", living);
  const auto usage = read_memory_usage(proc.fs(), fake_pid);
  REQUIRE(usage);
  const MemoryUsage expected{.rss = 1624 * 1024,
                             .anonymous = 112 * 1024,
                             .file = 1502 * 1024,
                             .shared = 10 * 1024,
                             .swap = 48 * 1024,
                             .virtual_size = 500000 * 1024,
                             .threads = 17};
  CHECK(*usage == expected);
}

TEST_CASE("a process's name is not taken for a field", "[memory_usage]") {
  FakeProc proc;
  // The kernel writes the line end in a name as "\n", two characters.
  proc.write(fake_pid, "status",
             "Name:\tx\\nVmRSS:\t7 kB\n" + living.substr(living.find("Groups")));
  const auto usage = read_memory_usage(proc.fs(), fake_pid);
  REQUIRE(usage);
  CHECK(usage->rss == 1624 * 1024);
}

TEST_CASE("a machine without swap has none in use", "[memory_usage]") {
  FakeProc proc;
  std::string status = living;
  const std::size_t swap = status.find("VmSwap");
  status.erase(swap, status.find('\n', swap) + 1 - swap);
  proc.write(fake_pid, "status", status);
  const auto usage = read_memory_usage(proc.fs(), fake_pid);
  REQUIRE(usage);
  CHECK(usage->swap == 0);
  CHECK(usage->threads == 17);
}

TEST_CASE("a process without memory is no target", "[memory_usage]") {
  FakeProc proc;
  proc.write(fake_pid, "status", zombie);
  const auto usage = read_memory_usage(proc.fs(), fake_pid);
  REQUIRE_FALSE(usage);
  CHECK(usage.error().code == ExitCode::no_target);
  CHECK_THAT(usage.error().message, ContainsSubstring("4242 has no memory"));
}

TEST_CASE("a process that is gone is no target", "[memory_usage]") {
  const FakeProc proc;
  const auto usage = read_memory_usage(proc.fs(), fake_pid);
  REQUIRE_FALSE(usage);
  CHECK(usage.error().code == ExitCode::no_target);
  CHECK_THAT(usage.error().message, ContainsSubstring("no process with PID 4242"));
}

TEST_CASE("a process outlives its main thread", "[memory_usage]") {
  FakeProc proc;
  proc.write(fake_pid, "status", zombie);
  for (const std::string thread : {"4242", "4243", "4244"}) {
    std::filesystem::create_directories(proc.path(fake_pid, "task/" + thread));
    proc.write(fake_pid, "task/" + thread + "/status", thread == "4244" ? living : zombie);
  }
  const auto usage = read_memory_usage(proc.fs(), fake_pid);
  REQUIRE(usage);
  CHECK(usage->rss == 1624 * 1024);
  CHECK(usage->threads == 17);
}

TEST_CASE("this very process is measured", "[memory_usage]") {
  const auto usage = read_memory_usage(ProcFs(), getpid());
  REQUIRE(usage);
  CHECK(usage->rss == usage->anonymous + usage->file + usage->shared);
  CHECK(usage->rss > 100 * 1024);
  CHECK(usage->virtual_size > usage->rss);
  CHECK(usage->threads >= 1);
}

} // namespace
} // namespace leakbpf
