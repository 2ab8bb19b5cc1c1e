// SPDX-License-Identifier: Apache-2.0
// Servers that a test starts.
#pragma once

#include "child.h"

#include <filesystem>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

namespace leakbpf::e2e {

inline void require_program(const std::string& name) {
  if (!std::filesystem::exists("/usr/bin/" + name))
    SKIP(name + " is not installed");
}

/// Runs the shell command again and again until it succeeds.
inline void wait_until(const std::string& command) {
  for (int tries = 0; tries < 300; tries++) {
    if (run_program({"sh", "-c", command}).status == 0)
      return;
    usleep(100'000);
  }
  FAIL("it never came up: " << command);
}

} // namespace leakbpf::e2e
