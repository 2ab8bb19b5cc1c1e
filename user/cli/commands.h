// SPDX-License-Identifier: Apache-2.0
// What each command does. Results go to stdout or a file; remarks to `console`.
#pragma once

#include "cli/interrupts.h"
#include "cli/options.h"

namespace leakbpf {

/// stderr, as far as -q and -v allow.
class Console {
public:
  explicit Console(const Options& options) : quiet_(options.quiet), verbose_(options.verbose) {}
  void warn(const std::string& text) const;
  void inform(const std::string& text) const;
  /// With -v only.
  void detail(const std::string& text) const;

private:
  bool quiet_;
  bool verbose_;
};

[[nodiscard]] Result<ExitCode> run_top(const Options& options, const Interrupts& interrupts,
                                       const Console& console);
[[nodiscard]] Result<ExitCode> run_snapshot(const Options& options, const Interrupts& interrupts,
                                            const Console& console);
[[nodiscard]] Result<ExitCode> run_detect(const Options& options, const Interrupts& interrupts,
                                          const Console& console);
[[nodiscard]] Result<ExitCode> run_report(const Options& options);
[[nodiscard]] Result<ExitCode> run_diff(const Options& options);
/// The exit status of the command that was run, or 128 + the signal that ended it.
[[nodiscard]] Result<int> run_command(const Options& options, Interrupts& interrupts,
                                      const Console& console);
[[nodiscard]] Result<ExitCode> run_doctor(const Options& options);
[[nodiscard]] Result<ExitCode> run_demo(const Options& options, const Interrupts& interrupts,
                                        const Console& console);

} // namespace leakbpf
