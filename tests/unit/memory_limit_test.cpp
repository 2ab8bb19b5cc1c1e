// SPDX-License-Identifier: Apache-2.0
#include "fake_proc.h"
#include "target/memory_limit.h"

#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <unistd.h>

namespace leakbpf {
namespace {

constexpr std::uint64_t MiB = 1024 * 1024;

/// A machine with 16000 MiB of RAM of which 9000 MiB are available, one process and its cgroups.
struct FakeMachine {
  FakeMachine() {
    write_text(folder / "meminfo", "MemTotal:       16384000 kB\nMemFree:         1024000 kB\n"
                                   "MemAvailable:    9216000 kB\n");
    write_text(folder / "mountinfo", "");
    set_address_space("unlimited");
    proc.write(fake_pid, "status", "VmSize:\t  307200 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n");
    proc.write(fake_pid, "cgroup", "0::/\n");
  }

  void set_address_space(const std::string& soft) const {
    proc.write(fake_pid, "limits",
               "Limit                     Soft Limit           Hard Limit           Units     \n"
               "Max data size             1000                 unlimited            bytes     \n"
               "Max address space         " +
                   soft + "            unlimited            bytes     \n");
  }
  /// Mounts `root` of the unified hierarchy.
  void mount_v2(const std::string& root = "/") const {
    write_group("", "cgroup.procs", "");
    write_text(folder / "mountinfo",
               "41 31 0:38 " + root + " " + (folder / "cgroup") + " rw - cgroup2 cgroup2 rw\n");
  }
  /// Mounts `root` of the v1 memory controller.
  void mount_v1(const std::string& root = "/") const {
    write_group("", "cgroup.procs", "");
    write_text(folder / "mountinfo", "35 31 0:32 " + root + " " + (folder / "cgroup") +
                                         " rw - cgroup cgroup rw,memory\n");
  }
  void write_group(const std::string& group, const std::string& file,
                   const std::string& text) const {
    std::filesystem::create_directories(folder / ("cgroup" + group));
    write_text(folder / ("cgroup" + group + "/" + file), text + "\n");
  }
  void add_v2(const std::string& group, const std::string& max, std::uint64_t current,
              std::uint64_t inactive) const {
    write_group(group, "memory.max", max);
    write_group(group, "memory.current", std::to_string(current));
    write_group(group, "memory.stat",
                "anon 1\nfile 2\ninactive_anon 3\ninactive_file " + std::to_string(inactive));
  }
  void add_v1(const std::string& group, std::uint64_t limit, std::uint64_t usage,
              std::uint64_t inactive, std::uint64_t hierarchical = v1_none) const {
    write_group(group, "memory.limit_in_bytes", std::to_string(limit));
    write_group(group, "memory.usage_in_bytes", std::to_string(usage));
    write_group(group, "memory.use_hierarchy", "1");
    write_group(group, "memory.stat",
                "inactive_file 77\nhierarchical_memory_limit " + std::to_string(hierarchical) +
                    "\ntotal_inactive_file " + std::to_string(inactive));
  }
  [[nodiscard]] std::optional<LimitState> read() const {
    const ProcFs fs = proc.fs();
    return MemoryLimits(fs, {folder / "mountinfo", folder / "meminfo"}).read(fake_pid);
  }
  [[nodiscard]] std::optional<std::uint64_t> usage() const {
    const ProcFs fs = proc.fs();
    return MemoryLimits(fs, {folder / "mountinfo", folder / "meminfo"}).cgroup_usage(fake_pid);
  }

  static constexpr std::uint64_t v1_none = 9223372036854771712U; ///< with pages of 4 KiB
  FakeProc proc;
  TemporaryDirectory folder;
};

const LimitState ram{{16000 * MiB, "RAM"}, 7000 * MiB, 9000 * MiB};

TEST_CASE("without any limit RAM is the limit", "[memory_limit]") {
  const FakeMachine machine;
  CHECK(machine.read() == ram);
  std::filesystem::remove(machine.proc.path(fake_pid, "cgroup")); // a kernel without cgroups
  CHECK(machine.read() == ram);
  std::filesystem::remove(machine.folder / "mountinfo");
  CHECK(machine.read() == ram);
}

TEST_CASE("RLIMIT_AS limits the virtual size", "[memory_limit]") {
  const FakeMachine machine;
  machine.set_address_space(std::to_string(500 * MiB));
  CHECK(machine.read() == LimitState{{500 * MiB, "RLIMIT_AS"}, 300 * MiB, 200 * MiB});
  machine.set_address_space(std::to_string(200 * MiB)); // was lowered later
  CHECK(machine.read() == LimitState{{200 * MiB, "RLIMIT_AS"}, 300 * MiB, 0});
}

TEST_CASE("RLIMIT_AS above RAM binds only when less is left of it", "[memory_limit]") {
  const FakeMachine machine;
  machine.set_address_space(std::to_string(20000 * MiB));
  CHECK(machine.read() == ram);
  machine.proc.write(fake_pid, "status", "VmSize:\t  20479000 kB\nVmRSS:\t    1024 kB\n");
  const auto state = machine.read();
  REQUIRE(state);
  CHECK(state->limit.source == "RLIMIT_AS");
  CHECK(state->left == 1000 * 1024);
}

TEST_CASE("a cgroup limit goes before RLIMIT_AS", "[memory_limit]") {
  const FakeMachine machine;
  machine.mount_v2();
  machine.set_address_space(std::to_string(400 * MiB));
  machine.proc.write(fake_pid, "cgroup", "0::/system.slice/shop.service\n");
  machine.add_v2("/system.slice/shop.service", std::to_string(600 * MiB), 500 * MiB, 60 * MiB);
  CHECK(machine.read() ==
        LimitState{{600 * MiB, "cgroup /system.slice/shop.service"}, 440 * MiB, 160 * MiB});
}

TEST_CASE("v2: the smallest limit on the way out binds", "[memory_limit]") {
  const FakeMachine machine;
  machine.mount_v2();
  machine.proc.write(fake_pid, "cgroup", "0::/pods/one/app\n");
  machine.add_v2("/pods", std::to_string(800 * MiB), 700 * MiB, 0);
  machine.add_v2("/pods/one", std::to_string(300 * MiB), 200 * MiB, 50 * MiB);
  machine.add_v2("/pods/one/app", "max", 100 * MiB, 0);
  machine.add_v2("/pods/two", std::to_string(1 * MiB), 0, 0); // somebody else's
  CHECK(machine.read() == LimitState{{300 * MiB, "cgroup /pods/one"}, 150 * MiB, 150 * MiB});

  SECTION("of equal limits the innermost") {
    machine.add_v2("/pods/one/app", std::to_string(300 * MiB), 90 * MiB, 0);
    CHECK(machine.read()->limit.source == "cgroup /pods/one/app");
  }
  SECTION("none anywhere") {
    machine.add_v2("/pods", "max", 700 * MiB, 0);
    machine.add_v2("/pods/one", "max", 200 * MiB, 50 * MiB);
    CHECK(machine.read() == ram);
  }
  SECTION("a limit of nothing is a limit") {
    machine.add_v2("/pods/one/app", "0", 4096, 0);
    CHECK(machine.read() == LimitState{{0, "cgroup /pods/one/app"}, 4096, 0});
  }
  SECTION("the group was removed") {
    std::filesystem::remove_all(machine.folder / "cgroup/pods/one");
    machine.proc.write(fake_pid, "cgroup", "0::/pods/one/app (deleted)\n");
    CHECK(machine.read() == LimitState{{800 * MiB, "cgroup /pods"}, 700 * MiB, 100 * MiB});
    CHECK_FALSE(machine.usage());
  }
  SECTION("the group goes away between the two readings") {
    std::filesystem::remove(machine.folder / "cgroup/pods/one/memory.stat");
    CHECK(machine.read() == ram);
  }
}

TEST_CASE("a cgroup limit above RAM is none", "[memory_limit]") {
  const FakeMachine machine;
  machine.mount_v2();
  machine.proc.write(fake_pid, "cgroup", "0::/big\n");
  machine.add_v2("/big", std::to_string(16000 * MiB + 4096), 5 * MiB, 0);
  CHECK(machine.read() == ram);
  machine.add_v2("/big", std::to_string(16000 * MiB), 5 * MiB, 0);
  CHECK(machine.read()->limit.source == "cgroup /big");
}

TEST_CASE("inactive file pages can be more than the charge read before", "[memory_limit]") {
  const FakeMachine machine;
  machine.mount_v2();
  machine.proc.write(fake_pid, "cgroup", "0::/a\n");
  machine.add_v2("/a", std::to_string(10 * MiB), 5 * MiB, 6 * MiB);
  CHECK(machine.read() == LimitState{{10 * MiB, "cgroup /a"}, 0, 10 * MiB});
}

TEST_CASE("v1: limits, usage and inactive pages have other names", "[memory_limit]") {
  const FakeMachine machine;
  machine.mount_v1();
  machine.proc.write(fake_pid, "cgroup", "5:cpu:/x\n4:memory:/docker/abc\n0::/elsewhere\n");
  machine.add_v1("", FakeMachine::v1_none, 6000 * MiB, 1000 * MiB);
  machine.add_v1("/docker", 500 * MiB, 450 * MiB, 10 * MiB);
  machine.add_v1("/docker/abc", 200 * MiB, 150 * MiB, 30 * MiB);
  CHECK(machine.read() == LimitState{{200 * MiB, "cgroup /docker/abc"}, 120 * MiB, 80 * MiB});
  CHECK(machine.usage() == 150 * MiB);

  SECTION("the outer group's binds") {
    machine.add_v1("/docker/abc", FakeMachine::v1_none, 150 * MiB, 30 * MiB);
    CHECK(machine.read() == LimitState{{500 * MiB, "cgroup /docker"}, 440 * MiB, 60 * MiB});
  }
  SECTION("an outer group that counts without those below it does not bind") {
    machine.add_v1("/docker/abc", FakeMachine::v1_none, 150 * MiB, 30 * MiB);
    machine.write_group("/docker", "memory.use_hierarchy", "0");
    CHECK(machine.read() == ram);
    machine.proc.write(fake_pid, "cgroup", "4:memory:/docker\n"); // but its own processes it does
    CHECK(machine.read()->limit.source == "cgroup /docker");
  }
}

TEST_CASE("v1: the largest number of pages is no limit", "[memory_limit]") {
  const FakeMachine machine;
  machine.mount_v1();
  machine.proc.write(fake_pid, "cgroup", "4:memory:/a\n");
  // Pages of 4 and 64 KiB, old kernels' counters.
  const std::uint64_t none = GENERATE(9223372036854771712U, 9223372036854710272U,
                                      9223372036854775807U, 18446744073709551615U);
  const bool ram_known = GENERATE(true, false);
  machine.add_v1("/a", none, 150 * MiB, 30 * MiB);
  if (!ram_known)
    std::filesystem::remove(machine.folder / "meminfo");
  CHECK(machine.read() == (ram_known ? std::optional(ram) : std::nullopt));
}

TEST_CASE("v1: a limit further out than what is mounted binds", "[memory_limit]") {
  const FakeMachine machine;
  machine.mount_v1("/docker/abc");
  machine.proc.write(fake_pid, "cgroup", "4:memory:/docker/abc/worker\n");
  machine.add_v1("", FakeMachine::v1_none, 90 * MiB, 30 * MiB, 100 * MiB);
  machine.add_v1("/worker", FakeMachine::v1_none, 50 * MiB, 0, 100 * MiB);
  CHECK(machine.read() == LimitState{{100 * MiB, "cgroup /docker/abc"}, 60 * MiB, 40 * MiB});
}

TEST_CASE("v2: only a part of the hierarchy is mounted", "[memory_limit]") {
  const FakeMachine machine;
  machine.mount_v2("/docker/abc");
  machine.proc.write(fake_pid, "cgroup", "0::/docker/abc\n");
  machine.add_v2("", std::to_string(100 * MiB), 90 * MiB, 30 * MiB);
  CHECK(machine.read() == LimitState{{100 * MiB, "cgroup /docker/abc"}, 60 * MiB, 40 * MiB});
  CHECK(machine.usage() == 90 * MiB);
  machine.proc.write(fake_pid, "cgroup", "0::/docker/other\n");
  CHECK(machine.read() == ram);
  CHECK_FALSE(machine.usage());
}

TEST_CASE("a group of another namespace falls through to the next kind", "[memory_limit]") {
  const FakeMachine machine;
  machine.mount_v2();
  machine.add_v2("/a", std::to_string(100 * MiB), 90 * MiB, 30 * MiB);
  machine.proc.write(fake_pid, "cgroup", "0::/../cgroup/a\n");
  CHECK(machine.read() == ram);
  CHECK_FALSE(machine.usage());
  machine.set_address_space(std::to_string(500 * MiB));
  CHECK(machine.read()->limit.source == "RLIMIT_AS");
}

TEST_CASE("a group without the controller is charged to the next one out", "[memory_limit]") {
  const FakeMachine machine;
  machine.mount_v2();
  machine.proc.write(fake_pid, "cgroup", "0::/session/app/tab\n");
  machine.write_group("/session/app/tab", "cgroup.procs", "4242");
  machine.write_group("/session/app", "cgroup.procs", "");
  CHECK_FALSE(machine.usage()); // all the way to the root, which has no account
  machine.add_v2("/session", "max", 33 * MiB, 1 * MiB);
  CHECK(machine.usage() == 33 * MiB); // page cache and all
}

TEST_CASE("a process that is gone has no limit", "[memory_limit]") {
  const FakeMachine machine;
  machine.proc.write(fake_pid, "limits", ""); // ended while it was read
  CHECK_FALSE(machine.read());
  std::filesystem::remove_all(machine.proc.folder / std::to_string(fake_pid));
  CHECK_FALSE(machine.read());
  CHECK_FALSE(machine.usage());
}

TEST_CASE("a process that has no memory any more has no RLIMIT_AS", "[memory_limit]") {
  const FakeMachine machine;
  machine.set_address_space(std::to_string(500 * MiB));
  machine.proc.write(fake_pid, "status", "State:\tZ (zombie)\n");
  CHECK(machine.read() == ram);
}

TEST_CASE("RAM that is not known is no limit", "[memory_limit]") {
  const FakeMachine machine;
  write_text(machine.folder / "meminfo", "MemTotal:       16384000 kB\n");
  CHECK_FALSE(machine.read());
  machine.set_address_space(std::to_string(500 * MiB));
  CHECK(machine.read()->limit.source == "RLIMIT_AS");
}

TEST_CASE("limits are read anew each time, within a sample once", "[memory_limit]") {
  const FakeMachine machine;
  machine.mount_v2();
  machine.proc.write(fake_pid, "cgroup", "0::/a\n");
  machine.add_v2("/a", std::to_string(100 * MiB), 40 * MiB, 0);
  const ProcFs fs = machine.proc.fs();
  const MemoryLimits limits(fs, {machine.folder / "mountinfo", machine.folder / "meminfo"});
  MemoryLimitSample sample(limits);
  CHECK(sample.read(fake_pid)->limit.bytes == 100 * MiB);
  CHECK(sample.cgroup_usage(fake_pid) == 40 * MiB);
  machine.add_v2("/a", std::to_string(200 * MiB), 50 * MiB, 0);
  CHECK(sample.read(fake_pid) == LimitState{{100 * MiB, "cgroup /a"}, 40 * MiB, 60 * MiB});
  CHECK(sample.cgroup_usage(fake_pid) == 40 * MiB);
  CHECK(limits.read(fake_pid) == LimitState{{200 * MiB, "cgroup /a"}, 50 * MiB, 150 * MiB});
  CHECK(limits.cgroup_usage(fake_pid) == 50 * MiB);
  CHECK(MemoryLimitSample(limits).read(fake_pid)->used == 50 * MiB);
}

TEST_CASE("this very process has a limit", "[memory_limit]") {
  const ProcFs fs;
  const auto state = MemoryLimits(fs).read(getpid());
  REQUIRE(state);
  CHECK(state->limit.bytes > 0);
  CHECK_FALSE(state->limit.source.empty());
}

} // namespace
} // namespace leakbpf
