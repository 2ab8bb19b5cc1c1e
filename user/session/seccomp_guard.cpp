// SPDX-License-Identifier: Apache-2.0
#include "session/seccomp_guard.h"

#include "target/seccomp.h"

#include <fmt/format.h>

namespace leakbpf {

bool SeccompGuard::are_harmless() {
  if (!checked_)
    checked_ = check_(backend_);
  return checked_->harmless;
}

Result<void> SeccompGuard::allow_returns(const ProcessInfo& process) {
  if ((checked_ && checked_->harmless) || !is_seccomp_filtered(proc_, process.pid) ||
      are_harmless())
    return {};
  return Error{ExitCode::no_target,
               fmt::format("PID {} ({}) has a seccomp filter, and on this kernel a return probe "
                           "would kill it (tried on a process of our own: {})",
                           process.pid, process.comm, checked_->reason),
               "use --kinds pages, which needs no return probes, or a newer kernel"};
}

} // namespace leakbpf
