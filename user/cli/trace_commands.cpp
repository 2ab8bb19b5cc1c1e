// SPDX-License-Identifier: Apache-2.0
// top and snapshot.
#include "cli/trace_options.h"
#include "render/json.h"
#include "render/table.h"
#include "store/output_file.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace leakbpf {

namespace {

// Below this a trend is not told from the working set becoming visible.
constexpr double enough_seconds = 10;
constexpr double default_snapshot_seconds = 300;
// A person who has just started it wants to see that it works.
constexpr double first_table_seconds = 0.5;

TableStyle table_style(const Options& options) {
  TableStyle style;
  style.stacks = options.stacks;
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  style.color = options.color == ColorMode::always ||
                (options.color == ColorMode::automatic && terminal && !std::getenv("NO_COLOR"));
  winsize size{};
  if (terminal && !options.stacks && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
    style.width = size.ws_col;
  return style;
}

ExitCode ending(const Tracer& tracer, double wanted_seconds, double traced_seconds) {
  const bool enough = traced_seconds >= std::min(wanted_seconds, enough_seconds);
  return tracer.all_ended() && !enough ? ExitCode::target_ended : ExitCode::ok;
}

} // namespace

Result<ExitCode> run_top(const Options& options, const Interrupts& interrupts,
                         const Console& console) {
  const ProcFs proc;
  auto started = Tracer::start(proc, trace_options(options, console));
  if (!started)
    return started.error();
  Tracer& tracer = **started;
  const double end = options.duration_seconds.value_or(1e18);
  double next = std::min({options.interval_seconds, first_table_seconds, end});
  for (bool going = true; going;) {
    going = tracer.run_until(next, interrupts.fd()) && next < end;
    tracer.sample();
    const std::string table =
        render_table(tracer.report(options.top, order_of(options)), table_style(options));
    if (!write_output("", table + "\n"))
      break; // the reader has gone (`| head`)
    next = std::min(std::max(next + options.interval_seconds, tracer.elapsed()), end);
  }
  return ending(tracer, end, tracer.elapsed());
}

Result<ExitCode> run_snapshot(const Options& options, const Interrupts& interrupts,
                              const Console& console) {
  if (auto writable = check_output(options.output); !writable)
    return writable.error();
  const ProcFs proc;
  auto started = Tracer::start(proc, trace_options(options, console));
  if (!started)
    return started.error();
  Tracer& tracer = **started;
  const double end = options.duration_seconds.value_or(default_snapshot_seconds);
  double next = 0;
  while (tracer.run_until(next = std::min(next + options.interval_seconds, end), interrupts.fd()) &&
         next < end)
    tracer.sample();
  const double traced = tracer.elapsed();
  tracer.freeze();
  tracer.sample_whole();
  const Report report = tracer.report(0, order_of(options));
  const bool table = options.format == Format::table;
  const std::string text = table ? render_table(report, {true, false, 0}) : render_json(report);
  if (auto written = write_output(options.output, text); !written)
    return written.error();
  return ending(tracer, end, traced);
}

} // namespace leakbpf
