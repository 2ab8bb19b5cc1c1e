// SPDX-License-Identifier: Apache-2.0
// Whether the kernel filters a process's system calls (seccomp).
#pragma once

#include "target/proc_fs.h"

namespace leakbpf {

/// Does any thread of `pid` run under a seccomp filter, or in strict mode? Each thread can have its
/// own; the main thread is often put under one last.
[[nodiscard]] bool is_seccomp_filtered(const ProcFs& proc, pid_t pid);

} // namespace leakbpf
