// SPDX-License-Identifier: Apache-2.0
#include "cli/shown_view.h"

#include "cli/results.h"
#include "cli/tracing.h"
#include "core/units.h"
#include "symbol/source_lines.h"

#include <algorithm>
#include <ctime>
#include <exception>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// A terminal that takes nothing is not waited for longer.
constexpr int patience_ms = 1000;

sigset_t size_signal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGWINCH);
  return set;
}

/// "leakbpf-0931.html"
std::string proposed_file() {
  const time_t now = time(nullptr);
  tm parts{};
  localtime_r(&now, &parts);
  return fmt::format("leakbpf-{:02}{:02}.html", parts.tm_hour, parts.tm_min);
}

/// Source files as the process sees them, read by the thread that shows.
SourceOf source_of_processes() {
  struct Sources {
    ProcFs proc;
    SourceLines lines{proc};
  };
  return [sources = std::make_shared<Sources>()](std::int32_t pid, const std::string& file,
                                                 std::uint32_t line) {
    return sources->lines.indented(pid, file, line);
  };
}

} // namespace

SizeSignalBlocked::SizeSignalBlocked() {
  const sigset_t set = size_signal();
  sigset_t before{};
  pthread_sigmask(SIG_BLOCK, &set, &before);
  was_blocked_ = sigismember(&before, SIGWINCH) == 1;
}

SizeSignalBlocked::~SizeSignalBlocked() {
  if (was_blocked_)
    return;
  const sigset_t set = size_signal();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

View::Setting view_setting(const Options& options, bool live) {
  View::Setting setting;
  setting.live = live;
  setting.state.sort = options.sort;
  setting.state.group_by = options.group_by.value_or(GroupBy::stack);
  setting.state.interval_seconds = refresh_seconds(options);
  if (live) {
    setting.file = proposed_file();
    setting.source = source_of_processes();
  } else { // a process of that number may be another by now; and tracing filters by itself
    setting.state.filter = options.filter;
  }
  return setting;
}

Error no_descriptors_for_view() {
  return {ExitCode::cannot_trace, "no descriptors are left for the full-screen view",
          "--plain needs none, `ulimit -n` raises their number"};
}

Result<std::shared_ptr<Shown>> open_view(View::Setting setting, const Options& options,
                                         TerminalGuard* guard) {
  if (guard)
    guard->arm();
  auto terminal = Terminal::open(table_style(options).color);
  if (!terminal)
    return Error{ExitCode::io, "the terminal could not be opened for the full-screen view",
                 "--plain prints tables"};
  setting.ascii = terminal->ascii();
  auto shown = std::make_shared<Shown>(std::move(setting), std::move(terminal));
  if (!shown->exchange.works())
    return no_descriptors_for_view();
  return shown;
}

DivertedMessages::DivertedMessages(MessageWriter& messages, std::shared_ptr<Shown> shown)
    : messages_(messages) {
  messages_.divert([this, shown = std::move(shown)](std::string_view text) { take(text, *shown); });
}

void DivertedMessages::take(std::string_view text, Shown& shown) {
  constexpr std::size_t most_kept = 200;
  const std::scoped_lock lock(mutex_);
  if (kept_.size() < most_kept)
    kept_.emplace_back(text);
  else
    dropped_++;
  std::string line(text.substr(0, text.find_last_not_of('\n') + 1));
  std::replace(line.begin(), line.end(), '\n', ' ');
  shown.exchange.tell(std::move(line));
}

DivertedMessages::~DivertedMessages() {
  messages_.divert({});
  for (const std::string& text : kept_)
    messages_.write(text);
  if (dropped_ > 0)
    messages_.write(fmt::format("leakbpf: and {}\n",
                                format_counted(dropped_, "more message", "more messages")));
}

ShowingThread::ShowingThread(std::shared_ptr<Shown> shown, TerminalGuard* guard)
    : shown_(std::move(shown)), guard_(guard), showing_([shown = shown_] {
        try {
          run_view(shown->view, *shown->terminal, shown->exchange);
        } catch (const std::exception&) { // out of memory: nothing can be shown any more
          shown->exchange.send({});
        }
        shown->terminal.reset();
        return 0;
      }) {}

ShowingThread::~ShowingThread() {
  shown_->exchange.end();
  if (showing_.wait(patience_ms) && guard_)
    guard_->dismiss();
}

} // namespace leakbpf
