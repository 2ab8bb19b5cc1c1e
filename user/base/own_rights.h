// SPDX-License-Identifier: Apache-2.0
// What leakbpf may do is what it needs to do, so that an error in it is worth less to others.
#pragma once

#include <leakbpf/result.h>

namespace leakbpf {

/// What a command goes on to do.
struct WantedRights {
  bool tracing = false;        ///< BPF, and reading of other users' processes and their files
  bool administration = false; ///< perf events: many kernels only give them to CAP_SYS_ADMIN
  bool output_file = false;    ///< a file in a folder of somebody else's, whose owner is kept
  bool limits = false;         ///< to raise limits of this process, such as that on open files
  bool signals = false;        ///< to a command of ours that may have become another user's
};

/// Gives up every other capability for good, also for programs that this process starts, and the
/// ways to get new ones (PR_SET_NO_NEW_PRIVS). To be called while there are no other threads: each
/// has rights of its own. Rights that are missing stay missing. Fails where a filter of system
/// calls forbids it: then leakbpf has more than it needs.
[[nodiscard]] Result<void> keep_only(const WantedRights& wanted);

} // namespace leakbpf
