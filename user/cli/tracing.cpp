// SPDX-License-Identifier: Apache-2.0
#include "cli/tracing.h"

#include "cli/results.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// Below this a trend is not told from the working set becoming visible.
constexpr double enough_seconds = 10;
// As many as are kept of a series.
constexpr double samples_in_run = 120;
constexpr double shortest_step = 0.1;

} // namespace

Result<std::unique_ptr<Tracer>> start_tracer(const ProcFs& proc, const Options& options,
                                             const Console& console) {
  auto wanted = trace_options(options, console);
  if (!wanted)
    return wanted.error();
  if (auto chosen = choose_targets(proc, options, *wanted); !chosen)
    return chosen.error();
  return Tracer::start(proc, std::move(*wanted));
}

double sample_step(double duration, double interval) {
  return std::min(interval, std::max(duration / samples_in_run, shortest_step));
}

double trace_for(Tracer& tracer, double end, double step, const Interrupts& interrupts,
                 const std::function<void(double elapsed)>& sampled) {
  double next = 0;
  while (tracer.run_until(next = std::min(std::max(next + step, tracer.elapsed()), end),
                          interrupts.fd()) &&
         next < end) {
    tracer.sample();
    sampled(tracer.elapsed());
  }
  return tracer.elapsed();
}

Report final_report(Tracer& tracer, const Options& options, Format otherwise) {
  tracer.freeze();
  tracer.sample_whole();
  const bool table = format_of(options, otherwise) == Format::table;
  return tracer.report(table ? options.top : 0, site_order(options.sort));
}

Result<void> check_targets(const Tracer& tracer, const Options& options) {
  if (tracer.had_targets())
    return {};
  return Error{ExitCode::no_target,
               fmt::format("no process matches {}", describe_selectors(target_request(options))),
               options.names.empty() ? "" : "`pgrep -af REGEX` shows command lines that match"};
}

ExitCode ending(const Tracer& tracer, double wanted_seconds, double traced_seconds) {
  const bool enough = traced_seconds >= std::min(wanted_seconds, enough_seconds);
  return tracer.all_ended() && !enough ? ExitCode::target_ended : ExitCode::ok;
}

} // namespace leakbpf
