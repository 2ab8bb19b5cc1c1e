// SPDX-License-Identifier: Apache-2.0
#include "session/follow_changing.h"

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr int most_tries = 5;

/// A process that ends loses its memory some time before its state says so.
bool is_gone(const ProcFs& proc, pid_t pid) {
  const auto stat = proc.stat(pid);
  if (!stat)
    return stat.error().code == ExitCode::no_target;
  if (stat->has_ended())
    return true;
  if (stat->state == 'Z') // its main thread alone has ended
    return false;
  const auto maps = proc.read(pid, "maps");
  return maps ? maps->empty() : maps.error().code == ExitCode::no_target;
}

/// What it has mapped, as text; empty when that cannot be read.
std::string mapped(const ProcFs& proc, pid_t pid) {
  auto maps = proc.read(pid, "maps");
  return maps ? std::move(*maps) : "";
}

} // namespace

Result<void> follow_changing(const ProcFs& proc, pid_t pid,
                             const std::function<Result<void>()>& follow) {
  for (int tries = 1;; tries++) {
    const std::string before = mapped(proc, pid);
    auto followed = follow();
    if (followed)
      return followed;
    if (is_gone(proc, pid))
      return Error{ExitCode::no_target,
                   fmt::format("PID {} ended while leakbpf attached to it", pid), ""};
    if (tries == most_tries || mapped(proc, pid) == before)
      return followed;
  }
}

} // namespace leakbpf
