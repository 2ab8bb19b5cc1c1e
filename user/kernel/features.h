// SPDX-License-Identifier: Apache-2.0
// What this kernel, these rights and this build allow; found by trying, not by version.
#pragma once

#include "kernel/backend.h"

#include <leakbpf/result.h>

#include <optional>
#include <string>
#include <vector>

namespace leakbpf {

/// One line of `leakbpf doctor`.
struct FeatureCheck {
  std::string name;
  bool available = false;
  std::string detail;
};

struct BackendCheck {
  Backend backend = Backend::perf;
  bool works = false;
  std::string reason;   ///< why not; empty when it works
  int system_error = 0; ///< errno, when it is for want of descriptors
  double hit_ns = 0;    ///< one entry and one return of an almost empty program, in a loop
};

/// Attaches each back-end to a function of our own and calls it from a second thread.
[[nodiscard]] BackendCheck check_backend(Backend backend);

/// The best back-end that works here. Fails with ExitCode::cannot_trace, naming what is missing.
[[nodiscard]] Result<BackendCheck> choose_backend(std::optional<Backend> forced);

/// Fails when this process cannot trace at all: rights, BTF, lockdown, PID namespace.
[[nodiscard]] Result<void> check_preconditions();

/// Kernel release, rights, BTF, lockdown, for `doctor`.
[[nodiscard]] std::vector<FeatureCheck> check_features();

} // namespace leakbpf
