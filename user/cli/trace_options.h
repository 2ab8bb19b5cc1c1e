// SPDX-License-Identifier: Apache-2.0
// What the command line asks of a Tracer.
#pragma once

#include "cli/commands.h"
#include "session/trace_options.h"

namespace leakbpf {

/// `console` outlives the tracer.
/// Fails when a file of suppressions cannot be read.
[[nodiscard]] Result<TraceOptions> trace_options(const Options& options, const Console& console);

/// Is `kind` among those of --kinds, or among the usual ones?
[[nodiscard]] bool kind_wanted(const Options& options, const char* kind);
/// Resident memory by page faults is looked at only when it is asked for.
[[nodiscard]] bool wants_pages(const Options& options);

/// What the options ask for.
[[nodiscard]] TargetRequest target_request(const Options& options);

/// Puts the processes that are wanted into `trace`. Fails with ExitCode::no_target when there is no
/// such cgroup or container.
[[nodiscard]] Result<void> choose_targets(const ProcFs& proc, const Options& options,
                                          TraceOptions& trace);

/// What --filter asks for; nothing: all rows.
[[nodiscard]] Result<std::optional<Pattern>> filter_of(const Options& options);

/// Those of --suppressions, and the built-in ones when they are wanted.
[[nodiscard]] Result<Suppressions> suppressions_of(const Options& options, bool builtin);

} // namespace leakbpf
