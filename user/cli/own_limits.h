// SPDX-License-Identifier: Apache-2.0
// What a command of leakbpf may take and do, by its options.
#pragma once

#include "cli/options.h"

namespace leakbpf {

/// For a command that traces; to be called when programs of ours were started, which keep all that
/// we were given, and before there are threads.
[[nodiscard]] Result<void> begin_tracing_limits(const Options& options);
/// The same once the way to attach is known: only what is seen by perf events needs CAP_SYS_ADMIN.
[[nodiscard]] Result<void> keep_rights_for(const Options& options, Backend backend);
/// For a command that only reads and writes files.
[[nodiscard]] Result<void> begin_file_limits(const Options& options);

} // namespace leakbpf
