// SPDX-License-Identifier: Apache-2.0
// Results on their way to a terminal or a file.
#pragma once

#include "cli/interrupts.h"
#include "cli/options.h"
#include "core/diff.h"
#include "core/report.h"

#include <leakbpf/result.h>

namespace leakbpf {

/// --format, else what the name of -o ends in, else `otherwise`.
[[nodiscard]] Format format_of(const Options& options, Format otherwise);

/// As the terminal on stdout, or the lack of one, and --color want it.
[[nodiscard]] TableStyle table_style(const Options& options);

/// The data is for stdout.
[[nodiscard]] bool to_stdout(const Options& options);

/// To -o or stdout. A pprof profile is not put on a terminal: usage error.
[[nodiscard]] Result<void> write_result(const Report& report, const Options& options,
                                        Format otherwise);
[[nodiscard]] Result<void> write_result(const Diff& diff, const Options& options);

/// The same for what was traced, while signals are blocked: a signal that comes while the output
/// has to be waited for ends that.
[[nodiscard]] Result<void> write_traced(const Report& report, const Options& options,
                                        Format otherwise, Interrupts& interrupts);
/// `text` to the output `path`, in the same way.
[[nodiscard]] Result<void> write_unless_interrupted(const std::string& path, std::string text,
                                                    Interrupts& interrupts);

/// What would make write_result fail, before anything is traced.
[[nodiscard]] Result<void> check_result(const Options& options, Format otherwise);

} // namespace leakbpf
