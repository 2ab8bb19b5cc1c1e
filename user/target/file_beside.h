// SPDX-License-Identifier: Apache-2.0
// Finds a file that a process had mapped for a moment.
#pragma once

#include "target/proc_fs.h"

#include <cstdint>
#include <span>
#include <string>

namespace leakbpf {

/// The path, as the process sees it, of the file with this device and inode, as /proc/PID/maps
/// would tell them; empty: not found. It is looked for in the folders of what else the process has
/// mapped, where a plugin mostly lies: among some thousands of names at most.
[[nodiscard]] std::string find_beside(const ProcFs& proc, pid_t pid, std::uint64_t device,
                                      std::uint64_t inode, std::span<const Mapping> mappings);

} // namespace leakbpf
