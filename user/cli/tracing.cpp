// SPDX-License-Identifier: Apache-2.0
#include "cli/tracing.h"

#include "cli/own_limits.h"
#include "cli/results.h"
#include "core/culprit_rows.h"
#include "core/units.h"
#include "session/held_tracing.h"
#include "session/tracer.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// Below this a trend is not told from the working set becoming visible.
constexpr double enough_seconds = 10;
// As many as are kept of a series.
constexpr double samples_in_run = 120;
constexpr double shortest_step = 0.1;

/// Containers alone are wanted, which takes no probe.
bool only_reads(const TraceOptions& wanted) {
  const KernelConfig& kernel = wanted.kernel;
  return wanted.held && !kernel.heap && !kernel.mmap && !kernel.brk && !kernel.python &&
         !kernel.pages;
}

} // namespace

Result<std::unique_ptr<Tracing>> start_tracer(const ProcFs& proc, const Options& options,
                                              Interrupts& interrupts, const Console& console) {
  Interrupts::heed_ignored();
  if (auto prepared = interrupts.prepare(); !prepared)
    return prepared.error();
  if (auto limited = begin_tracing_limits(options); !limited)
    return limited.error();
  auto wanted = trace_options(options, console);
  if (!wanted)
    return wanted.error();
  if (auto chosen = choose_targets(proc, options, *wanted); !chosen)
    return chosen.error();
  wanted->backend_chosen = [&options, &console](Backend backend) {
    if (auto kept = keep_rights_for(options, backend); !kept)
      console.warn(kept.error().message);
  };
  wanted->attached = [&interrupts] { interrupts.begin(); };
  if (only_reads(*wanted)) {
    wanted->backend_chosen(Backend::session);
    return HeldTracing::start(proc, std::move(*wanted));
  }
  auto tracer = Tracer::start(proc, std::move(*wanted));
  if (!tracer)
    return tracer.error();
  return std::unique_ptr<Tracing>(std::move(*tracer));
}

double sample_step(double duration, double interval) {
  return std::min(interval, std::max(duration / samples_in_run, shortest_step));
}

double refresh_seconds(const Options& options) {
  return options.interval_seconds.value_or(1);
}

double end_of_view(const Options& options) {
  constexpr double never = 1e18;
  return options.duration_seconds.value_or(never);
}

double PacedSamples::next(double table_due) const {
  constexpr double begin_seconds = 20;
  constexpr double most_share = 0.005;
  const double now = tracer_.elapsed();
  return now < begin_seconds ? std::min(table_due, now + std::max(0.5, cost_ / most_share))
                             : table_due;
}

void PacedSamples::take() {
  const double begin = tracer_.elapsed();
  tracer_.sample();
  cost_ = tracer_.elapsed() - begin;
}

double trace_for(Tracing& tracer, double end, double step, Interrupts& interrupts,
                 const std::function<void(double elapsed)>& sampled) {
  double next = 0;
  while (tracer.run_until(next = std::min(std::max(next + step, tracer.elapsed()), end),
                          interrupts.fd()) &&
         next < end) {
    tracer.sample();
    sampled(tracer.elapsed());
  }
  interrupts.forget(); // it has ended the run; a further one ends what comes then
  return tracer.elapsed();
}

Report table_report(Tracing& tracer, const Options& options) {
  const SiteOrder order = site_order(options.sort);
  if (options.group_by)
    return tracer.report(options.top, order);
  // One culprit may have many stacks: those of the first rows are among so many for sure enough.
  constexpr std::size_t most_joined = 200;
  Report report = tracer.report(options.top == 0 ? 0 : std::max(options.top, most_joined), order);
  join_culprits(report, order, options.top);
  return report;
}

Report final_report(Tracing& tracer, const Options& options, Format otherwise) {
  tracer.freeze();
  tracer.sample_whole();
  if (format_of(options, otherwise) == Format::table)
    return table_report(tracer, options);
  Report report = tracer.report(0, site_order(options.sort));
  if (options.group_by.value_or(GroupBy::stack) == GroupBy::stack)
    rank_by_culprit(report, site_order(options.sort));
  return report;
}

Result<void> check_targets(const Tracing& tracer, const Options& options) {
  if (tracer.had_targets())
    return {};
  return Error{ExitCode::no_target,
               fmt::format("no process matches {}", describe_selectors(target_request(options))),
               options.names.empty() ? "" : "`pgrep -af REGEX` shows command lines that match"};
}

ExitCode ending(const Tracing& tracer, double wanted_seconds, double traced_seconds,
                const Console& console) {
  if (!tracer.all_ended() || traced_seconds >= wanted_seconds)
    return ExitCode::ok;
  const std::string what = "every traced process ended after " + format_duration(traced_seconds);
  if (traced_seconds >= std::min(wanted_seconds, enough_seconds)) {
    console.inform(what);
    return ExitCode::ok;
  }
  console.warn(what + ", too soon for a verdict");
  return ExitCode::target_ended;
}

} // namespace leakbpf
