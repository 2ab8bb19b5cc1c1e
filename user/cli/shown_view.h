// SPDX-License-Identifier: Apache-2.0
// A view on the terminal, in a thread of its own: what is traced does not wait for what is drawn.
#pragma once

#include "base/background.h"
#include "base/message_writer.h"
#include "cli/options.h"
#include "view/terminal_guard.h"
#include "view/view_exchange.h"
#include "view/view_loop.h"

#include <leakbpf/result.h>

#include <csignal>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace leakbpf {

/// SIGWINCH is taken from a descriptor. To be made before there are threads.
class SizeSignalBlocked {
public:
  SizeSignalBlocked();
  SizeSignalBlocked(const SizeSignalBlocked&) = delete;
  SizeSignalBlocked& operator=(const SizeSignalBlocked&) = delete;
  ~SizeSignalBlocked();

private:
  bool was_blocked_ = false;
};

/// As the options have it. `live`: of what is traced; else of a file.
[[nodiscard]] View::Setting view_setting(const Options& options, bool live);

/// What the thread that shows owns: it may be left behind when the terminal takes nothing.
struct Shown {
  Shown(View::Setting setting, std::unique_ptr<Terminal> opened)
      : view(std::move(setting)), terminal(std::move(opened)) {}

  View view;
  std::unique_ptr<Terminal> terminal;
  ViewExchange exchange;
};

[[nodiscard]] Error no_descriptors_for_view();

/// Opens the terminal, which `guard` puts back from here on if nobody else does.
[[nodiscard]] Result<std::shared_ptr<Shown>>
open_view(View::Setting setting, const Options& options, TerminalGuard* guard);

/// Messages go to the view, and once it is closed to stderr, where they stay.
class DivertedMessages {
public:
  DivertedMessages(MessageWriter& messages, std::shared_ptr<Shown> shown);
  DivertedMessages(const DivertedMessages&) = delete;
  DivertedMessages& operator=(const DivertedMessages&) = delete;
  ~DivertedMessages();

private:
  void take(std::string_view text, Shown& shown);

  MessageWriter& messages_;
  std::mutex mutex_;
  std::vector<std::string> kept_;
  std::size_t dropped_ = 0;
};

/// Shows it until it is told to end. The terminal is as it was when this is gone.
class ShowingThread {
public:
  ShowingThread(std::shared_ptr<Shown> shown, TerminalGuard* guard);
  ShowingThread(const ShowingThread&) = delete;
  ShowingThread& operator=(const ShowingThread&) = delete;
  ~ShowingThread();

private:
  std::shared_ptr<Shown> shown_;
  TerminalGuard* guard_;
  Background<int> showing_;
};

} // namespace leakbpf
