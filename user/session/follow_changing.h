// SPDX-License-Identifier: Apache-2.0
// Processes do not hold still while leakbpf attaches to them.
#pragma once

#include "target/proc_fs.h"

#include <functional>

namespace leakbpf {

/// Calls `follow`, which attaches to process `pid`. When that fails because the process ends, the
/// error says so; when the process runs another program by now, or still maps its libraries, it is
/// tried again.
[[nodiscard]] Result<void> follow_changing(const ProcFs& proc, pid_t pid,
                                           const std::function<Result<void>()>& follow);

} // namespace leakbpf
