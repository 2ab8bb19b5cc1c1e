// SPDX-License-Identifier: Apache-2.0
// A terminal is given back as it was, however the process that changed it ends.
#pragma once

#include "base/unique_fd.h"

#include <memory>
#include <string>

#include <sys/types.h>
#include <termios.h>

namespace leakbpf {

/// A small process that waits for the end of this one, and then, unless this one has put the
/// terminal back itself, does so. To be made while there are neither threads nor probes: it keeps
/// no descriptor but those of the terminal.
class TerminalGuard {
public:
  /// The terminal on standard input and output, whose type `TERM` says. Null: it is none, or there
  /// can be no such process.
  [[nodiscard]] static std::unique_ptr<TerminalGuard> start();
  TerminalGuard(const TerminalGuard&) = delete;
  TerminalGuard& operator=(const TerminalGuard&) = delete;
  /// Has the process put the terminal back now, if it is armed and not dismissed.
  ~TerminalGuard();
  /// From here on the terminal may be changed.
  void arm();
  /// The terminal was put back.
  void dismiss();

private:
  TerminalGuard(pid_t pid, UniqueFd alive) : pid_(pid), alive_(std::move(alive)) {}

  pid_t pid_;
  UniqueFd alive_; ///< of a pipe: its other end is closed when we are gone
};

} // namespace leakbpf
