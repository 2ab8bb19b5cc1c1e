// SPDX-License-Identifier: Apache-2.0
// The command line.
#pragma once

#include "core/ranking.h"
#include "kernel/backend.h"
#include "render/format.h"

#include <leakbpf/result.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace leakbpf {

enum class Command { top, snapshot, detect, run, report, diff, doctor, demo };
enum class ColorMode { automatic, always, never };

struct Options {
  Command command = Command::top;
  std::vector<pid_t> pids;
  std::vector<std::string> names; ///< regular expressions that compile
  std::vector<std::string> cgroups;
  std::vector<std::string> containers;
  bool all = false;                      ///< every user process
  std::vector<std::string> command_line; ///< of `run`
  std::vector<std::string> files;        ///< snapshots that `report` and `diff` read
  // Tracking
  std::optional<std::uint64_t> sample_bytes;
  std::optional<std::uint64_t> max_memory; ///< bytes that leakbpf itself may take
  std::optional<double> max_overhead_percent;
  double max_total_overhead_percent = 0; ///< 0: no limit
  std::uint64_t min_size = 0;
  std::uint64_t max_size = ~0ULL;
  double min_age_seconds = 0;
  std::optional<std::uint32_t> max_live;
  std::optional<std::uint32_t> max_stacks; ///< else by what is traced
  std::uint32_t max_depth = 127;
  std::vector<std::string> objects;
  std::string symbol_prefix;
  bool follow_forks = true;
  bool exact = false;
  bool python_malloc = false; ///< `run`: Python takes every object from malloc
  bool debuginfod = false;    ///< `report`: ask servers for names that are missing
  bool no_python = false;
  bool show_keys = false; ///< of containers: users' data
  bool reach = false;     ///< who has pointers to blocks, in large processes, too
  std::optional<Backend> backend;
  std::vector<std::string> kinds; ///< empty: heap, mmap, brk, python, held
  // Display
  std::optional<double> interval_seconds; ///< else 1; of progress in `detect`, 10
  std::size_t top = 20;
  SortOrder sort = SortOrder::growth;
  std::optional<GroupBy> group_by; ///< else stack, and in a table stacks of one culprit are joined
  std::string filter;              ///< a regular expression that compiles; empty: no filter
  std::vector<std::string> suppression_files;
  std::optional<double> duration_seconds;
  bool stacks = false;
  ColorMode color = ColorMode::automatic;
  bool plain = false; ///< tables below each other, no full screen
  bool view = false;  ///< `report`: in a full screen
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
