// SPDX-License-Identifier: Apache-2.0
// The full-screen view of what is traced, or of a file.
#pragma once

#include "cli/commands.h"
#include "core/report.h"

#include <string>

namespace leakbpf {

/// Standard input and output are a terminal that can show it, and nothing else was asked for.
[[nodiscard]] bool can_show_full_screen(const Options& options);

/// `top` in it. Where the terminal cannot be opened, plain tables are put out.
[[nodiscard]] Result<ExitCode> run_full_screen(const Options& options, Interrupts& interrupts,
                                               const Console& console);

/// A stored report of stacks in it, until the person quits. With `before`, the report of another
/// file, what changed since that; `name` is how that is called.
[[nodiscard]] Result<ExitCode> view_report(const Report& report, const Options& options,
                                           const Report* before = nullptr,
                                           const std::string& name = "");

} // namespace leakbpf
