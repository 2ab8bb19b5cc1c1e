// SPDX-License-Identifier: Apache-2.0
// top and snapshot.
#include "cli/progress.h"
#include "cli/results.h"
#include "cli/tracing.h"
#include "render/table.h"
#include "store/output_file.h"

#include <algorithm>

namespace leakbpf {

namespace {

constexpr double default_snapshot_seconds = 300;
constexpr double default_interval_seconds = 1;
// A person who has just started it wants to see that it works.
constexpr double first_table_seconds = 0.5;

/// Between samples: at first a verdict wants points more often than a person wants tables. Where
/// there are thousands of sites, so that a sample takes `cost` seconds, they are not worth half a
/// percent of a core.
double sample_seconds(double elapsed, double cost) {
  constexpr double begin_seconds = 20;
  constexpr double most_share = 0.005;
  return elapsed < begin_seconds ? std::max(0.5, cost / most_share) : 1e9;
}

} // namespace

Result<ExitCode> run_top(const Options& options, const Interrupts& interrupts,
                         const Console& console) {
  const ProcFs proc;
  auto started = start_tracer(proc, options, console);
  if (!started)
    return started.error();
  Tracer& tracer = **started;
  const double interval = options.interval_seconds.value_or(default_interval_seconds);
  const double end = options.duration_seconds.value_or(1e18);
  double table_due = std::min({interval, first_table_seconds, end});
  double sample_cost = 0;
  for (bool going = true; going;) {
    const double sampled = tracer.elapsed();
    const double next = std::min(table_due, sampled + sample_seconds(sampled, sample_cost));
    going = tracer.run_until(next, interrupts.fd()) && next < end;
    const double begin = tracer.elapsed();
    tracer.sample();
    sample_cost = tracer.elapsed() - begin;
    if (going && next < table_due)
      continue;
    const std::string table =
        render_table(tracer.report(options.top, site_order(options.sort)), table_style(options));
    if (!write_output("", table + "\n"))
      break; // the reader has gone (`| head`)
    table_due = std::min(std::max(table_due + interval, tracer.elapsed()), end);
  }
  if (auto any = check_targets(tracer, options); !any)
    return any.error();
  return ending(tracer, end, tracer.elapsed());
}

Result<ExitCode> run_snapshot(const Options& options, const Interrupts& interrupts,
                              const Console& console) {
  if (auto writable = check_result(options, Format::json); !writable)
    return writable.error();
  const ProcFs proc;
  auto started = start_tracer(proc, options, console);
  if (!started)
    return started.error();
  Tracer& tracer = **started;
  const double end = options.duration_seconds.value_or(default_snapshot_seconds);
  Progress progress(options, end);
  const double interval = options.interval_seconds.value_or(default_interval_seconds);
  const double traced = trace_for(tracer, end, sample_step(end, interval), interrupts,
                                  [&](double elapsed) { progress.show(elapsed, ""); });
  progress.clear();
  if (auto any = check_targets(tracer, options); !any)
    return any.error();
  const Report report = final_report(tracer, options, Format::json);
  if (auto written = write_result(report, options, Format::json); !written)
    return written.error();
  return ending(tracer, end, traced);
}

} // namespace leakbpf
