// SPDX-License-Identifier: Apache-2.0
// Options that several commands have in common. Each adds to `app` what then fills `options`.
#pragma once

#include "cli/options.h"

#include <exception>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

namespace leakbpf {

/// Thrown while the command line is parsed, for a value that an option does not take.
class BadValue : public std::exception {
public:
  explicit BadValue(Error error) : error_(std::move(error)) {}
  [[nodiscard]] const char* what() const noexcept override { return error_.message.c_str(); }
  [[nodiscard]] const Error& error() const { return error_; }

private:
  Error error_;
};

/// Seconds; less than this has no room for a trend after warm-up.
inline constexpr double shortest_detection = 5;

void add_target_options(CLI::App& app, Options& options);
/// Targets by what they are, not by PID.
void add_selectors(CLI::App& app, Options& options);
void add_tracking_options(CLI::App& app, Options& options);
/// Table sizes, and help for what leakbpf does not find out by itself.
void add_resource_options(CLI::App& app, Options& options);
/// What a row is, which are shown, and in which order.
void add_row_options(CLI::App& app, Options& options);
void add_memory_limit(CLI::App& app, Options& options);
void add_suppressions(CLI::App& app, Options& options);
void add_text_options(CLI::App& app, Options& options);
void add_interval(CLI::App& app, Options& options);
void add_duration(CLI::App& app, Options& options);
void add_loudness(CLI::App& app, Options& options);
/// `otherwise`: the format when neither --format nor the file's name says one.
void add_output_options(CLI::App& app, Options& options, const std::string& otherwise);

// Of one command each.
void add_run_options(CLI::App& app, Options& options);
void add_detect_options(CLI::App& app, Options& options);
void add_report_options(CLI::App& app, Options& options);
void add_diff_options(CLI::App& app, Options& options);

} // namespace leakbpf
