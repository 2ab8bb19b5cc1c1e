// SPDX-License-Identifier: Apache-2.0
#include "fake_proc.h"

#include "target/descendants.h"

#include <array>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

void add_child(FakeProc& proc, pid_t pid, pid_t parent) {
  proc.add_process(pid);
  proc.write(pid, "stat",
             std::to_string(pid) + " (worker) S " + std::to_string(parent) +
                 " 1 1 0 -1 4194304 0 0 0 0 1 2 0 0 20 0 1 0 100 0 0");
}

TEST_CASE("children and theirs descend from a process, others do not", "[descendants]") {
  FakeProc proc;
  add_child(proc, 10, 1);
  add_child(proc, 11, 10);
  add_child(proc, 12, 11);
  add_child(proc, 20, 1);
  const std::array<pid_t, 1> server{10};
  CHECK(descendants(proc.fs(), server) == std::vector<pid_t>{11, 12});
  const std::array<pid_t, 2> both{10, 11};
  CHECK(descendants(proc.fs(), both) == std::vector<pid_t>{12});
  const std::array<pid_t, 1> gone{99};
  CHECK(descendants(proc.fs(), gone).empty());
}

TEST_CASE("a circle of parents, as a reused PID can show it, ends", "[descendants]") {
  FakeProc proc;
  add_child(proc, 30, 31);
  add_child(proc, 31, 30);
  const std::array<pid_t, 1> other{40};
  CHECK(descendants(proc.fs(), other).empty());
}

} // namespace
} // namespace leakbpf
