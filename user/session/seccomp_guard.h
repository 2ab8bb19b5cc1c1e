// SPDX-License-Identifier: Apache-2.0
// Keeps return probes out of processes that they would kill.
#pragma once

#include "kernel/seccomp_check.h"
#include "target/process.h"

#include <functional>
#include <optional>

namespace leakbpf {

class SeccompGuard {
public:
  using Check = std::function<SeccompCheck(Backend)>;

  /// `check` is made once, when the first process comes that is filtered.
  SeccompGuard(const ProcFs& proc, Backend backend, Check check)
      : proc_(proc), backend_(backend), check_(std::move(check)) {}

  /// Fails with ExitCode::no_target when return probes would harm the process.
  [[nodiscard]] Result<void> allow_returns(const ProcessInfo& process);
  /// No process is harmed by return probes, filtered or not.
  [[nodiscard]] bool are_harmless();

private:
  const ProcFs& proc_;
  Backend backend_;
  Check check_;
  std::optional<SeccompCheck> checked_;
};

} // namespace leakbpf
