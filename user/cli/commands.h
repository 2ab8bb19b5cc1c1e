// SPDX-License-Identifier: Apache-2.0
// What each command does. Results go to stdout or a file; remarks to `console`.
#pragma once

#include "base/message_writer.h"
#include "cli/interrupts.h"
#include "cli/options.h"

namespace leakbpf {

/// stderr, as far as -q and -v allow.
class Console {
public:
  Console(const Options& options, MessageWriter& messages)
      : messages_(messages), quiet_(options.quiet), verbose_(options.verbose) {}
  void warn(const std::string& text) const;
  void inform(const std::string& text) const;
  /// With -v only.
  void detail(const std::string& text) const;
  /// stderr itself, for what is no remark.
  [[nodiscard]] MessageWriter& messages() const { return messages_; }

private:
  MessageWriter& messages_;
  bool quiet_;
  bool verbose_;
};

[[nodiscard]] Result<ExitCode> run_top(const Options& options, Interrupts& interrupts,
                                       const Console& console);
[[nodiscard]] Result<ExitCode> run_snapshot(const Options& options, Interrupts& interrupts,
                                            const Console& console);
[[nodiscard]] Result<ExitCode> run_detect(const Options& options, Interrupts& interrupts,
                                          const Console& console);
[[nodiscard]] Result<ExitCode> run_report(const Options& options);
[[nodiscard]] Result<ExitCode> run_diff(const Options& options);
/// The exit status of the command that was run, or 128 + the signal that ended it.
[[nodiscard]] Result<int> run_command(const Options& options, Interrupts& interrupts,
                                      const Console& console);
[[nodiscard]] Result<ExitCode> run_doctor(const Options& options);
[[nodiscard]] Result<ExitCode> run_demo(const Options& options, Interrupts& interrupts,
                                        const Console& console);

} // namespace leakbpf
