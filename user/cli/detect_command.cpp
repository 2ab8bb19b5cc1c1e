// SPDX-License-Identifier: Apache-2.0
// detect: a verdict for a script or a person, and an exit status.
#include "cli/progress.h"
#include "cli/results.h"
#include "cli/tracing.h"
#include "core/units.h"
#include "render/verdict_text.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr double default_duration_seconds = 300;
constexpr double default_interval_seconds = 10;
// Rows are of no use to a sign of progress, but the tracer judges by all.
constexpr std::size_t no_rows = 1;

/// "RSS 212 MB, high so far"
std::string so_far(const Report& report) {
  double resident = 0;
  for (const TargetReport& target : report.targets)
    if (!target.ended)
      resident += static_cast<double>(target.rss_end_bytes.value_or(0));
  const auto worst = worst_severity(report);
  return fmt::format("RSS {}, {}", format_bytes(resident),
                     worst ? fmt::format("{} so far", severity_name(*worst)) : "no verdict yet");
}

/// The verdict in words, unless stdout is for the data.
Result<void> write_verdict(const Report& report, const Options& options, Interrupts& interrupts) {
  const bool has_data = options.format || !options.output.empty();
  if (!has_data || !to_stdout(options))
    if (auto written =
            write_unless_interrupted("", render_verdict(report, !options.group_by), interrupts);
        !written)
      return written;
  if (!has_data)
    return {};
  return write_traced(report, options, Format::json, interrupts);
}

} // namespace

Result<ExitCode> run_detect(const Options& options, Interrupts& interrupts,
                            const Console& console) {
  if (auto writable = check_result(options, Format::json); !writable)
    return writable.error();
  const ProcFs proc;
  auto started = start_tracer(proc, options, interrupts, console);
  if (!started)
    return started.error();
  Tracing& tracer = **started;
  const double end = options.duration_seconds.value_or(default_duration_seconds);
  const double interval = options.interval_seconds.value_or(default_interval_seconds);
  Progress progress(options, console.messages(), end);
  double next_sign = 0;
  // Memory can be given back until the last moment: only the end of all targets ends it early.
  const double traced =
      trace_for(tracer, end, sample_step(end, interval), interrupts, [&](double elapsed) {
        if (!progress.is_shown() || elapsed < next_sign)
          return;
        next_sign = elapsed + interval;
        progress.show(elapsed, so_far(tracer.report(no_rows, site_order(options.sort))));
      });
  progress.clear();
  if (auto any = check_targets(tracer, options); !any)
    return any.error();
  const Report report = final_report(tracer, options, Format::json);
  if (auto written = write_verdict(report, options, interrupts); !written)
    return written.error();
  if (const ExitCode early = ending(tracer, end, traced, console); early != ExitCode::ok)
    return early;
  const auto worst = worst_severity(report);
  if (!worst) {
    console.warn(fmt::format("{} is too short for a verdict", format_duration(traced)));
    return ExitCode::target_ended;
  }
  return is_leak(*worst) ? ExitCode::leak_found : ExitCode::ok;
}

} // namespace leakbpf
