// SPDX-License-Identifier: Apache-2.0
// What the commands that trace have in common.
#pragma once

#include "cli/commands.h"
#include "cli/trace_options.h"
#include "session/tracing.h"

#include <functional>
#include <memory>

namespace leakbpf {

/// While it attaches, a signal ends the process, and with that what was attached; from then on
/// `interrupts` tells of it.
[[nodiscard]] Result<std::unique_ptr<Tracing>> start_tracer(const ProcFs& proc,
                                                            const Options& options,
                                                            Interrupts& interrupts,
                                                            const Console& console);

/// Seconds between samples of a run of `duration`: no more than `interval`, and often enough for a
/// trend in a short run.
[[nodiscard]] double sample_step(double duration, double interval);

/// Seconds from one table, or screen, to the next.
[[nodiscard]] double refresh_seconds(const Options& options);
/// When a live view ends by itself, in seconds.
[[nodiscard]] double end_of_view(const Options& options);

/// Samples between the tables of a live view: at first a verdict wants points more often than a
/// person wants tables. Where there are thousands of sites, so that a sample takes long, they are
/// not worth half a percent of a core.
class PacedSamples {
public:
  explicit PacedSamples(Tracing& tracer) : tracer_(tracer) {}

  /// When the next sample is due, for a table at `table_due`. Seconds since the start.
  [[nodiscard]] double next(double table_due) const;
  void take();

private:
  Tracing& tracer_;
  double cost_ = 0; ///< seconds that the last one took
};

/// Samples each `step` seconds until `end`, an interrupt or the last target's end, and calls
/// `sampled` with the time after each. Returns how long was traced.
double trace_for(Tracing& tracer, double end, double step, Interrupts& interrupts,
                 const std::function<void(double elapsed)>& sampled);

/// The rows that are wanted for a table of what was found so far.
[[nodiscard]] Report table_report(Tracing& tracer, const Options& options);

/// Everything as it is now, when nothing counts any more: all of it for a file, the rows that are
/// wanted for a table. `otherwise`: the format when none is asked for.
[[nodiscard]] Report final_report(Tracing& tracer, const Options& options, Format otherwise);

/// Fails with ExitCode::no_target when no process came that was selected.
[[nodiscard]] Result<void> check_targets(const Tracing& tracer, const Options& options);

/// target_ended when the targets ended before a trend is told from the working set becoming
/// visible. That they ended before `wanted_seconds` is said on `console`.
[[nodiscard]] ExitCode ending(const Tracing& tracer, double wanted_seconds, double traced_seconds,
                              const Console& console);

} // namespace leakbpf
