// SPDX-License-Identifier: Apache-2.0
// Who descends from whom.
#pragma once

#include "target/proc_fs.h"

#include <span>
#include <vector>

namespace leakbpf {

/// The processes that descend from `ancestors` now, without these, in the order of their PIDs. One
/// whose parent has ended is init's child, and not found.
[[nodiscard]] std::vector<pid_t> descendants(const ProcFs& proc, std::span<const pid_t> ancestors);

} // namespace leakbpf
