// SPDX-License-Identifier: Apache-2.0
// Everything that a run found, as plain values: what a snapshot file holds and every renderer
// shows. Sizes in bytes, times in seconds, rates per minute. nullopt is unknown, never zero.
#pragma once

#include "core/site.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace leakbpf {

enum class FrameKind { native, python, note };

[[nodiscard]] constexpr std::string_view frame_kind_name(FrameKind kind) {
  switch (kind) {
  case FrameKind::python:
    return "python";
  case FrameKind::note:
    return "note";
  default:
    return "native";
  }
}

struct Frame {
  FrameKind kind = FrameKind::native;
  std::string function; ///< of a note: its text; empty: unknown
  std::string module;   ///< path as the target sees it
  std::string build_id;
  std::optional<std::uint64_t> offset; ///< in the module's file
  std::string file;
  std::uint32_t line = 0; ///< 0: unknown
  bool inlined = false;
  std::string source; ///< text of that line, where it was asked for and could be read
};

struct SiteReport {
  std::size_t rank = 0;   ///< from 1
  std::size_t target = 0; ///< index into Report::targets: a PID has several when it ran exec
  std::int32_t pid = 0;
  SiteKey key;
  SiteTotals totals;
  std::optional<double> growth_bytes_per_minute;
  std::optional<double> oldest_age_seconds;
  std::optional<double> median_age_seconds;
  std::vector<Frame> frames; ///< innermost first
  std::size_t culprit = 0;   ///< index into frames

  /// Percent of the bytes taken since attach that are still there.
  [[nodiscard]] std::optional<double> survival_percent() const {
    if (totals.allocated_bytes == 0)
      return std::nullopt;
    return 100.0 * static_cast<double>(totals.outstanding_bytes()) /
           static_cast<double>(totals.allocated_bytes);
  }
};

struct TargetEnd {
  std::string how; ///< "exited with 0", "killed by signal 9"
  double at_seconds = 0;
};

/// The CPython interpreter of a target.
struct PythonReport {
  std::string version; ///< "3.11"
  std::string problem; ///< why there are no Python frames; empty: there are
  struct SmallObjects {
    std::uint64_t arenas = 0;
    std::uint64_t arena_bytes = 0;
    std::uint64_t pools = 0;
    std::uint64_t pool_bytes = 0;
    std::uint64_t live_bytes = 0;
  };
  std::optional<SmallObjects> small_objects; ///< unknown: they could not be read
  struct Collections {
    std::uint64_t count = 0;
    double total_seconds = 0;
    double longest_seconds = 0;
  };
  std::optional<Collections> collections; ///< since attach; unknown: the build does not show them
};

struct TargetReport {
  std::int32_t pid = 0;
  std::int32_t ppid = 0;
  std::string comm;
  std::string command_line;
  std::string executable;
  std::string cgroup;
  std::string started_at;
  std::optional<TargetEnd> ended;
  std::optional<std::uint64_t> rss_start_bytes;
  std::optional<std::uint64_t> rss_end_bytes;
  std::optional<double> rss_growth_bytes_per_minute;
  std::uint64_t outstanding_bytes = 0;
  std::uint64_t outstanding_count = 0;
  std::optional<PythonReport> python;

  /// How much of the growth of the RSS the outstanding bytes account for; unknown when it shrank.
  [[nodiscard]] std::optional<double> explained_percent() const {
    if (!rss_start_bytes || !rss_end_bytes || *rss_end_bytes <= *rss_start_bytes)
      return std::nullopt;
    return 100.0 * static_cast<double>(outstanding_bytes) /
           static_cast<double>(*rss_end_bytes - *rss_start_bytes);
  }
};

/// A sentence when Python's garbage collector stopped the target for more than half a second; else
/// empty.
[[nodiscard]] std::string long_pause(const TargetReport& target);

struct HistoryPoint {
  double t_seconds = 0;
  std::int32_t pid = 0;
  std::optional<std::uint64_t> rss_bytes;
  std::uint64_t outstanding_bytes = 0;
};

struct HostReport {
  std::string hostname;
  std::string kernel;
  std::string arch;
  unsigned cpus = 0;
};

struct Overhead {
  std::uint64_t probe_hits = 0;
  std::optional<double> percent_of_one_core; ///< hits times the cost of one, measured at the start
};

struct Report {
  std::string version;
  HostReport host;
  std::string started_at;
  double duration_seconds = 0;
  std::uint64_t requested_mean_bytes = 0; ///< --sample-bytes, which does not take effect yet
  std::string backend;
  Overhead overhead;
  std::array<std::uint64_t, LEAKBPF_LOSS_COUNT> losses{};
  std::vector<TargetReport> targets;
  std::vector<SiteReport> sites;
  std::size_t site_count = 0; ///< all sites; `sites` may hold only the first rows
  std::vector<HistoryPoint> history;
};

} // namespace leakbpf
