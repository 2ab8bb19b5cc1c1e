// SPDX-License-Identifier: Apache-2.0
// What a process has open, by kind.
#pragma once

#include "target/proc_fs.h"

#include <cstdint>
#include <optional>

namespace leakbpf {

struct OpenFiles {
  std::uint64_t sockets = 0;
  std::uint64_t others = 0; ///< files, pipes and the like
};

/// Nothing when /proc/PID/fd cannot be read. Beyond 100,000 of them the rest is not counted.
[[nodiscard]] std::optional<OpenFiles> count_open_files(const ProcFs& proc, pid_t pid);

} // namespace leakbpf
