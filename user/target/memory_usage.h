// SPDX-License-Identifier: Apache-2.0
// What memory a process has right now, by kind.
#pragma once

#include "target/proc_fs.h"

#include <cstdint>

namespace leakbpf {

/// Sizes in bytes. The resident set is anonymous + file + shared.
struct MemoryUsage {
  std::uint64_t rss = 0;
  std::uint64_t anonymous = 0; ///< resident; heap, stacks, private copies
  std::uint64_t file = 0;      ///< resident pages of mapped files
  std::uint64_t shared = 0;    ///< resident shared memory, tmpfs
  std::uint64_t swap = 0;      ///< anonymous memory that was swapped out
  std::uint64_t virtual_size = 0;
  unsigned threads = 0;

  friend bool operator==(const MemoryUsage&, const MemoryUsage&) = default;
};

/// From /proc/PID/status (proc(5)). Fails with ExitCode::no_target for a process that is gone or
/// has no memory of its own: a zombie, a kernel thread.
[[nodiscard]] Result<MemoryUsage> read_memory_usage(const ProcFs& proc, pid_t pid);

} // namespace leakbpf
