// SPDX-License-Identifier: Apache-2.0
// What leakbpf knows of a process before it traces it, and whether it can be traced at all.
#pragma once

#include "core/container.h"
#include "target/proc_fs.h"

#include <optional>

namespace leakbpf {

struct ProcessInfo {
  pid_t pid = 0;
  pid_t ppid = 0;
  std::string comm;
  std::string command_line;
  std::string executable;
  std::string cgroup;
  std::optional<Container> container;
  std::optional<pid_t> namespaced_pid; ///< in its own PID namespace, where that is another
  std::uint64_t start_ticks = 0;
  std::uint64_t start_stack = 0; ///< of its program, as ProcessStat has it; 0: unknown
  std::uint64_t page_faults = 0; ///< when it was looked at
  std::string started_at;        ///< RFC 3339, UTC; empty when unknown
};

/// Describes process `pid`. Fails with ExitCode::no_target for a PID that does not exist, has
/// ended, is a thread of another process, a kernel thread or a 32-bit program.
[[nodiscard]] Result<ProcessInfo> inspect_process(const ProcFs& proc, pid_t pid);

/// RFC 3339 in UTC, such as 2026-01-31T09:30:00Z.
[[nodiscard]] std::string rfc3339(std::uint64_t seconds_since_epoch);

} // namespace leakbpf
