// SPDX-License-Identifier: Apache-2.0
// The full-screen view of what is traced, or of a file.
#pragma once

#include "cli/commands.h"
#include "core/report.h"

#include <optional>
#include <string>

namespace leakbpf {

/// Standard input and output are a terminal that can show it, and nothing else was asked for.
[[nodiscard]] bool can_show_full_screen(const Options& options);

/// `top` in it.
[[nodiscard]] Result<ExitCode> run_full_screen(const Options& options, Interrupts& interrupts,
                                               const Console& console);

struct EarlierRun {
  Report report;
  std::string file;
};

/// A stored report of stacks in it, until the person quits; what changed since `before`, if that is
/// given.
[[nodiscard]] Result<ExitCode> view_report(Report report, const Options& options,
                                           std::optional<EarlierRun> before = std::nullopt);

} // namespace leakbpf
