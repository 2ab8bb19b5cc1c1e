// SPDX-License-Identifier: Apache-2.0
// Tables, one below the other, for a pipe, a file or a screen reader.
#pragma once

#include "cli/commands.h"
#include "session/tracing.h"

namespace leakbpf {

/// Until the time is over, a signal comes, all targets have ended, or nobody takes the tables.
[[nodiscard]] Result<ExitCode> trace_plainly(Tracing& tracer, const Options& options,
                                             Interrupts& interrupts, const Console& console);

} // namespace leakbpf
