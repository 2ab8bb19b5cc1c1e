// SPDX-License-Identifier: Apache-2.0
// top and snapshot.
#include "cli/commands.h"
#include "render/json.h"
#include "render/table.h"
#include "session/tracer.h"
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

bool kind_wanted(const Options& options, const char* kind) {
  return options.kinds.empty() ||
         std::find(options.kinds.begin(), options.kinds.end(), kind) != options.kinds.end();
}

TraceOptions trace_options(const Options& options, const Console& console) {
  TraceOptions trace;
  trace.pids = options.pids;
  trace.kernel.max_stacks = options.max_stacks;
  trace.kernel.max_frames = options.max_depth;
  trace.kernel.min_size = options.min_size;
  trace.kernel.max_size = options.max_size;
  trace.kernel.follow_forks = options.follow_forks;
  trace.kernel.heap = kind_wanted(options, "heap");
  trace.kernel.mmap = kind_wanted(options, "mmap");
  trace.kernel.brk = kind_wanted(options, "brk");
  trace.kernel.python = kind_wanted(options, "python");
  trace.max_live = options.max_live;
  trace.backend = options.backend;
  trace.hints = {options.objects, options.symbol_prefix};
  trace.python = !options.no_python;
  trace.group_by = options.group_by;
  trace.unwind_cache = !options.no_cache;
  trace.sample_bytes = options.exact ? 1 : options.sample_bytes;
  trace.min_age_seconds = options.min_age_seconds;
  trace.warn = [&console](const std::string& text) { console.warn(text); };
  trace.inform = [&console](const std::string& text) { console.inform(text); };
  return trace;
}

/// Largest first by the wanted number; what is unknown comes last; ties by bytes, then by stack.
bool ranks_before(SortOrder order, const SiteReport& a, const SiteReport& b) {
  const auto measure = [order](const SiteReport& site) {
    switch (order) {
    case SortOrder::growth:
      return site.growth_bytes_per_minute.value_or(0);
    case SortOrder::count:
      return static_cast<double>(site.totals.outstanding_count());
    case SortOrder::age:
      return site.oldest_age_seconds.value_or(-1);
    default:
      return static_cast<double>(site.totals.outstanding_bytes());
    }
  };
  if (const double first = measure(a), second = measure(b); first != second)
    return first > second;
  if (a.totals.outstanding_bytes() != b.totals.outstanding_bytes())
    return a.totals.outstanding_bytes() > b.totals.outstanding_bytes();
  return a.key < b.key;
}

auto order_of(const Options& options) {
  return [sort = options.sort](const SiteReport& a, const SiteReport& b) {
    return ranks_before(sort, a, b);
  };
}

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
