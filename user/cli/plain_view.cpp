// SPDX-License-Identifier: Apache-2.0
#include "cli/plain_view.h"

#include "cli/live_output.h"
#include "cli/results.h"
#include "cli/tracing.h"
#include "render/table.h"

#include <algorithm>

namespace leakbpf {

namespace {

// A person who has just started it wants to see that it works.
constexpr double first_table_seconds = 0.5;

/// Puts tables on stdout, each when it is due and the one before was taken.
class PlainView {
public:
  PlainView(Tracing& tracer, const Options& options, Interrupts& interrupts)
      : tracer_(tracer), options_(options), interrupts_(interrupts), samples_(tracer),
        interval_(refresh_seconds(options)), end_(end_of_view(options)) {}

  /// Until the end, a signal, the end of all targets, or that of the output.
  Result<void> run() {
    double table_due = std::min({interval_, first_table_seconds, end_});
    while (!output_.has_failed() && step(table_due)) {
      if (tracer_.elapsed() < table_due)
        continue;
      if (output_.is_free())
        show();
      table_due = std::min(std::max(table_due + interval_, tracer_.elapsed()), end_);
    }
    traced_ = tracer_.elapsed();
    tracer_.freeze(); // a reader is waited for without a probe in any target
    const bool interrupted = interrupts_.forget();
    show_last(interrupted);
    return output_.failure();
  }
  [[nodiscard]] double end() const { return end_; }
  /// Seconds.
  [[nodiscard]] double traced() const { return traced_; }

private:
  /// Traces until the next sample. False: that was the last.
  bool step(double table_due) {
    const double next = samples_.next(table_due);
    if (!tracer_.run_until(next, interrupts_.fd()) || next >= end_)
      return false;
    samples_.take();
    return true;
  }

  void show() {
    output_.put(render_table(table_report(tracer_, options_), table_style(options_)) + "\n");
  }

  /// A reader that does not even take the table before it is not waited for after a signal.
  void show_last(bool interrupted) {
    if (!output_.is_free() && (interrupted || !output_.finish(interrupts_)))
      return;
    if (output_.has_failed())
      return;
    tracer_.sample();
    show();
    [[maybe_unused]] const bool taken =
        interrupted ? output_.finish_soon() : output_.finish(interrupts_);
  }

  Tracing& tracer_;
  const Options& options_;
  Interrupts& interrupts_;
  PacedSamples samples_;
  double interval_;
  double end_;
  LiveOutput output_;
  double traced_ = 0;
};

} // namespace

Result<ExitCode> trace_plainly(Tracing& tracer, const Options& options, Interrupts& interrupts,
                               const Console& console) {
  PlainView view(tracer, options, interrupts);
  if (auto shown = view.run(); !shown)
    return shown.error();
  if (auto any = check_targets(tracer, options); !any)
    return any.error();
  return ending(tracer, view.end(), view.traced(), console);
}

} // namespace leakbpf
