// SPDX-License-Identifier: Apache-2.0
// The command line.
#pragma once

#include "core/grouping.h"
#include "kernel/backend.h"

#include <leakbpf/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace leakbpf {

enum class Command { top, snapshot, run, doctor, demo };
enum class Format { table, json };
enum class SortOrder { growth, bytes, count, age };
enum class ColorMode { automatic, always, never };

struct Options {
  Command command = Command::top;
  std::vector<pid_t> pids;
  std::vector<std::string> command_line; ///< of `run`
  bool python_malloc = false;            ///< `run`: Python takes every object from malloc
  bool follow_forks = true;
  // Tracking
  bool exact = false;
  std::uint64_t sample_bytes = 16384;
  double max_overhead_percent = 3;
  std::uint64_t min_size = 0;
  std::uint64_t max_size = ~0ULL;
  double min_age_seconds = 0;
  std::optional<std::uint32_t> max_live;
  std::optional<std::uint32_t> max_stacks; ///< else by what is traced
  std::uint32_t max_depth = 127;
  std::vector<std::string> objects;
  std::string symbol_prefix;
  bool no_cache = false; ///< neither read nor write unwind tables on disk
  bool no_python = false;
  std::vector<std::string> kinds; ///< empty: all
  std::optional<Backend> backend;
  // Display
  double interval_seconds = 1;
  std::size_t top = 20;
  SortOrder sort = SortOrder::growth;
  GroupBy group_by = GroupBy::stack;
  std::optional<double> duration_seconds;
  bool stacks = false;
  ColorMode color = ColorMode::automatic;
  bool plain = false; ///< the view is plain anyway, for now
  bool quiet = false;
  bool verbose = false;
  std::string output;
  std::optional<Format> format;
};

/// What the command line asks for: options, or a text to print and end with (help, version).
struct ParsedCommandLine {
  Options options;
  std::string text;
  bool only_text = false;
};

/// Fails with ExitCode::usage.
[[nodiscard]] Result<ParsedCommandLine> parse_command_line(int argc, const char* const* argv);

} // namespace leakbpf
