// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernel/features.h"

#include <catch2/catch_test_macros.hpp>

namespace leakbpf::e2e {

/// Skips the test, saying why, where this process may not trace.
inline void require_tracing() {
  if (const auto able = check_preconditions(); !able)
    SKIP(able.error().message);
}

} // namespace leakbpf::e2e
