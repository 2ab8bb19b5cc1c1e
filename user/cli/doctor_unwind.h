// SPDX-License-Identifier: Apache-2.0
// What `leakbpf doctor -p PID` says about stacks.
#pragma once

#include <string>

#include <sys/types.h>

namespace leakbpf {

/// For each file with code that `pid` has mapped: the size of its unwind table, how long it takes
/// to build, and what of it could not be used.
[[nodiscard]] std::string describe_unwind_tables(pid_t pid);

} // namespace leakbpf
