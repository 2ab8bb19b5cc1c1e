// SPDX-License-Identifier: Apache-2.0
// Runs part of a test in a process of its own, whose descriptors, limits and rights it may change.
#pragma once

#include <cstdio>

#include <catch2/catch_test_macros.hpp>
#include <sys/wait.h>
#include <unistd.h>

namespace leakbpf {

/// The result of `work` as an exit status.
template <class Work> int in_child(const Work& work) {
  std::fflush(nullptr); // or the child would write it once more
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0)
    _exit(work());
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

/// What `work` returns when it runs without root's right to write everywhere.
template <class Work> int as_ordinary_user(const Work& work) {
  constexpr uid_t nobody = 65534;
  return in_child([&] { return geteuid() == 0 && setuid(nobody) != 0 ? 99 : work(); });
}

} // namespace leakbpf
