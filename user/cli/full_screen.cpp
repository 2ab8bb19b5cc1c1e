// SPDX-License-Identifier: Apache-2.0
#include "cli/full_screen.h"

#include "cli/results.h"
#include "cli/shown_view.h"
#include "cli/tracing.h"
#include "core/culprit_rows.h"
#include "view/terminal_reset.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace leakbpf {

namespace {

constexpr double first_report_seconds = 0.5;

/// Readable when one of several descriptors is.
class AnyOf {
public:
  AnyOf(std::initializer_list<int> fds) : works_(static_cast<bool>(epoll_)) {
    for (const int fd : fds) {
      epoll_event event{};
      event.events = EPOLLIN;
      works_ = works_ && epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
    }
  }
  [[nodiscard]] bool works() const { return works_; }
  [[nodiscard]] int fd() const { return epoll_.get(); }
  void wait() const {
    pollfd file{epoll_.get(), POLLIN, 0};
    poll(&file, 1, -1);
  }

private:
  UniqueFd epoll_{epoll_create1(EPOLL_CLOEXEC)};
  bool works_;
};

/// Traces, while another thread shows.
class FullScreen {
public:
  FullScreen(Tracing& tracer, const Options& options, Interrupts& interrupts,
             const Console& console, std::shared_ptr<Shown> shown)
      : tracer_(tracer), options_(options), interrupts_(interrupts), console_(console),
        shown_(std::move(shown)), wake_({interrupts.fd(), shown_->exchange.command_fd()}),
        samples_(tracer), sort_(options.sort), interval_(refresh_seconds(options)),
        end_(end_of_view(options)) {}

  /// False: there were no descriptors left for what it waits with.
  [[nodiscard]] bool works() const { return wake_.works(); }
  /// Until the person quits, a signal comes, or the time is over.
  void run() {
    due_ = std::min(first_report_seconds, end_);
    while (!quits_ && !tracer_.all_ended() && tracer_.elapsed() < end_) {
      step();
      if (tracer_.elapsed() < due_)
        continue;
      publish();
      due_ = std::min(std::max(due_ + interval_, tracer_.elapsed()), end_);
    }
    traced_ = tracer_.elapsed();
    tracer_.freeze();
    tracer_.sample();
    if (tracer_.all_ended() && !quits_ && traced_ < end_)
      show_the_end();
  }
  [[nodiscard]] double end() const { return end_; }
  [[nodiscard]] double traced() const { return traced_; }
  /// The person, or a signal, ended it.
  [[nodiscard]] bool was_quit() const { return quits_; }

private:
  void step() {
    if (!tracer_.run_until(samples_.next(due_), wake_.fd()))
      obey();
    samples_.take();
  }

  void publish() {
    constexpr std::size_t least_rows = 200;
    const std::size_t rows = options_.top == 0 ? 0 : std::max(options_.top, least_rows);
    shown_->exchange.publish(
        std::make_shared<const Report>(tracer_.report(rows, site_order(sort_))));
  }

  /// All targets ended: what there is stays on the screen.
  void show_the_end() {
    publish();
    shown_->exchange.tell("every traced process has ended; q quits");
    while (!quits_) {
      wake_.wait();
      obey();
    }
  }

  void obey() {
    quits_ = interrupts_.forget() || quits_;
    for (const ViewCommand& command : shown_->exchange.take_commands())
      obey(command);
  }

  void obey(const ViewCommand& command) {
    switch (command.what) {
    case ViewCommand::What::quit:
      quits_ = true;
      break;
    case ViewCommand::What::set_interval:
      interval_ = command.seconds;
      due_ = std::min(due_, tracer_.elapsed() + interval_);
      break;
    case ViewCommand::What::set_sort:
      sort_ = command.sort;
      due_ = std::min(due_, tracer_.elapsed());
      break;
    case ViewCommand::What::write:
      write(command.text);
      break;
    }
  }

  /// A failure is a message, which stays when the view is closed.
  void write(const std::string& path) {
    Options wanted = options_;
    wanted.output = path;
    wanted.format.reset();
    if (to_stdout(wanted)) {
      shown_->exchange.tell("the view is on standard output: name a file");
      return;
    }
    Report report = tracer_.report(0, site_order(sort_));
    rank_by_culprit(report, site_order(sort_));
    const std::string text = render(report, format_of(wanted, Format::json), TableStyle());
    quits_ = interrupts_.forget() || quits_; // what came meanwhile is not to be lost below
    if (quits_)
      return;
    if (const auto written = write_unless_interrupted(path, text, interrupts_); written)
      shown_->exchange.tell("wrote " + path);
    else
      console_.warn(written.error().message);
  }

  Tracing& tracer_;
  const Options& options_;
  Interrupts& interrupts_;
  const Console& console_;
  std::shared_ptr<Shown> shown_;
  AnyOf wake_;
  PacedSamples samples_;
  SortOrder sort_;
  double interval_;
  double end_;
  double due_ = 0; ///< the next report
  double traced_ = 0;
  bool quits_ = false;
};

/// A process in the background that changes the terminal's modes is stopped, with its probes in.
bool is_in_foreground() {
  return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

} // namespace

bool can_show_full_screen(const Options& options) {
  const char* const type = std::getenv("TERM");
  return !options.plain && !options.stacks && isatty(STDIN_FILENO) == 1 &&
         isatty(STDOUT_FILENO) == 1 && type && std::strcmp(type, "dumb") != 0 &&
         has_full_screen() && is_in_foreground();
}

Result<ExitCode> run_full_screen(const Options& options, Interrupts& interrupts,
                                 const Console& console) {
  const SizeSignalBlocked blocked;           // before there are threads
  const auto guard = TerminalGuard::start(); // before there are probes
  const ProcFs proc;
  Options traced = options;
  traced.group_by.reset(); // the view groups
  auto started = start_tracer(proc, traced, interrupts, console);
  if (!started)
    return started.error();
  Tracing& tracer = **started;
  auto shown = open_view(view_setting(options, true), options, guard.get());
  if (!shown)
    return shown.error();
  FullScreen screen(tracer, traced, interrupts, console, *shown);
  if (!screen.works())
    return no_descriptors_for_view();
  {
    const DivertedMessages diverted(console.messages(), *shown);
    const ShowingThread showing(*shown, guard.get());
    screen.run();
  }
  if (auto any = check_targets(tracer, options); !any)
    return any.error();
  if (!screen.was_quit()) { // it ended by itself: what it found stays
    const Report last = table_report(tracer, traced);
    if (auto written = write_traced(last, traced, Format::table, interrupts); !written)
      return written.error();
  }
  return ending(tracer, screen.end(), screen.traced(), console);
}

Result<ExitCode> view_report(Report report, const Options& options,
                             std::optional<EarlierRun> before) {
  if (!can_show_full_screen(options))
    return Error{ExitCode::usage, "--view needs a terminal on standard input and output",
                 "without it the table is printed"};
  const SizeSignalBlocked blocked;
  const auto guard = TerminalGuard::start();
  auto shown = open_view(view_setting(options, false), options, guard.get());
  if (!shown)
    return shown.error();
  if (before)
    (*shown)->view.compare_with(std::make_shared<const Report>(std::move(before->report)),
                                before->file);
  (*shown)->view.put(std::make_shared<const Report>(std::move(report)));
  run_view((*shown)->view, *(*shown)->terminal, (*shown)->exchange);
  (*shown)->terminal.reset();
  if (guard)
    guard->dismiss();
  return ExitCode::ok;
}

} // namespace leakbpf
