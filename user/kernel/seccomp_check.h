// SPDX-License-Identifier: Apache-2.0
// Whether return probes harm processes whose system calls are filtered (seccomp).
#pragma once

#include "kernel/backend.h"

#include <string>

namespace leakbpf {

/// Linux 6.11 to 6.13 leave a return probe by a system call of its own. A filter that does not know
/// that call, such as Docker's, refuses it, and the process jumps to a wrong address or is killed.
struct SeccompCheck {
  bool harmless = false;
  std::string reason; ///< what happened to the process that it was tried on; empty: nothing
};

/// Tries it on children of our own, under a filter that refuses what it does not know, under one
/// that kills, and in strict mode. Takes a fraction of a second.
[[nodiscard]] SeccompCheck check_seccomp(Backend backend);

} // namespace leakbpf
