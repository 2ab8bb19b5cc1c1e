// SPDX-License-Identifier: Apache-2.0
// top and snapshot.
#include "cli/full_screen.h"
#include "cli/plain_view.h"
#include "cli/progress.h"
#include "cli/results.h"
#include "cli/tracing.h"

namespace leakbpf {

Result<ExitCode> run_top(const Options& options, Interrupts& interrupts, const Console& console) {
  // A demonstration is over in seconds, and is to be read afterwards.
  if (options.command == Command::top && can_show_full_screen(options))
    return run_full_screen(options, interrupts, console);
  const ProcFs proc;
  auto started = start_tracer(proc, options, interrupts, console);
  if (!started)
    return started.error();
  return trace_plainly(**started, options, interrupts, console);
}

Result<ExitCode> run_snapshot(const Options& options, Interrupts& interrupts,
                              const Console& console) {
  constexpr double default_seconds = 300;
  if (auto writable = check_result(options, Format::json); !writable)
    return writable.error();
  const ProcFs proc;
  auto started = start_tracer(proc, options, interrupts, console);
  if (!started)
    return started.error();
  Tracing& tracer = **started;
  const double end = options.duration_seconds.value_or(default_seconds);
  Progress progress(options, console.messages(), end);
  const double interval = refresh_seconds(options);
  const double traced = trace_for(tracer, end, sample_step(end, interval), interrupts,
                                  [&](double elapsed) { progress.show(elapsed, ""); });
  progress.clear();
  if (auto any = check_targets(tracer, options); !any)
    return any.error();
  const Report report = final_report(tracer, options, Format::json);
  if (auto written = write_traced(report, options, Format::json, interrupts); !written)
    return written.error();
  return ending(tracer, end, traced, console);
}

} // namespace leakbpf
