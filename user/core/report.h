// SPDX-License-Identifier: Apache-2.0
// Everything that a run found, as plain values: what a snapshot file holds and every renderer
// shows. Sizes in bytes, times in seconds, rates per minute. nullopt is unknown, never zero.
#pragma once

#include "core/container.h"
#include "core/frame.h"
#include "core/held.h"
#include "core/reach_report.h"
#include "core/severity.h"
#include "core/site.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace leakbpf {

struct SiteReport {
  std::size_t rank = 0;   ///< from 1
  std::size_t target = 0; ///< index into Report::targets: a PID has several when it ran exec
  std::int32_t pid = 0;   ///< of a row of several processes: the one with its largest stack
  std::size_t processes = 1;
  std::size_t stacks = 1; ///< whose numbers it has; its frames are those of one of them
  SiteKey key;
  SiteTotals totals;
  std::optional<double> growth_bytes_per_minute;
  std::optional<double> oldest_age_seconds;
  std::optional<double> median_age_seconds;
  Frames frames;           ///< innermost first
  std::size_t culprit = 0; ///< index into frames
  std::string source;      ///< text of the culprit's line, where it could be read
  Verdict verdict;
  std::optional<double> score; ///< 0 to 1: how much it looks like a leak
  /// Percent of the bytes that were taken at least `survival_age_seconds` ago that are still there.
  std::optional<double> old_survival_percent;
  std::optional<double> survival_age_seconds;
  std::optional<ReachReport> reach; ///< of native blocks, where it was looked for
  /// Outstanding bytes at the times of Report::series_times; empty: not kept for this site.
  std::vector<std::uint64_t> series;
  /// Containers say who holds its objects: it only says which stack began a pool for them, and
  /// comes last.
  bool behind = false;
  bool estimated = false;
  /// Of mappings, at the end of a run, in RAM or swapped out; unknown where nobody looked. The rest
  /// is address space.
  std::optional<std::uint64_t> resident_bytes;
  double scale = 1;        ///< by which an estimate was brought down to what the process has
  double growth_scale = 1; ///< by which its growth was, beside that
  std::optional<double> standard_error_bytes; ///< unknown: of an estimate whose error is not known

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

/// The most memory that a process may have, and who says so.
struct MemoryLimit {
  std::uint64_t bytes = 0;
  std::string source; ///< "cgroup /system.slice/shop.service", "RLIMIT_AS", "RAM"

  friend bool operator==(const MemoryLimit&, const MemoryLimit&) = default;
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

/// What probes cost, by hits, what one takes, and the time of our programs.
struct Overhead {
  std::uint64_t probe_hits = 0;
  std::optional<double> percent_of_one_core;
  double duty_cycle = 1;                             ///< share of the time that the heap was probed
  std::optional<double> present_percent_of_one_core; ///< of the last seconds

  friend bool operator==(const Overhead&, const Overhead&) = default;
};

struct TargetReport {
  std::int32_t pid = 0;
  std::int32_t ppid = 0;
  std::string comm;
  std::string command_line;
  std::string executable;
  std::string cgroup;
  std::optional<Container> container;
  std::optional<std::int32_t> namespaced_pid; ///< in its own PID namespace, where that is another
  std::string started_at;
  std::optional<TargetEnd> ended;
  std::optional<std::uint64_t> rss_start_bytes;
  std::optional<std::uint64_t> rss_end_bytes;
  std::optional<double> rss_growth_bytes_per_minute;
  std::optional<MemoryLimit> limit;
  std::optional<double>
      seconds_to_limit; ///< at the present rate; unknown also when it does not grow
  std::optional<double> explained_percent; ///< of the growth of the RSS, by outstanding bytes
  Verdict verdict;
  std::uint64_t outstanding_bytes = 0;
  std::uint64_t outstanding_count = 0;
  std::optional<PythonReport> python;
  /// With that of its children, which share its budget; unknown of them.
  std::optional<Overhead> overhead;
};

/// A sentence when Python's garbage collector stopped the target for more than half a second; else
/// empty.
[[nodiscard]] std::string long_pause(const TargetReport& target);

/// So many targets stand above the rows of a table at most, so that some rows are to be seen, too.
constexpr std::size_t most_shown_targets = 12;

struct HistoryPoint {
  double t_seconds = 0;
  std::int32_t pid = 0;
  std::optional<std::uint64_t> rss_bytes;
  std::uint64_t outstanding_bytes = 0;
  // Parts of the RSS, what was swapped out, and what the whole cgroup is charged with.
  std::optional<std::uint64_t> anonymous_bytes;
  std::optional<std::uint64_t> file_bytes;
  std::optional<std::uint64_t> shared_bytes;
  std::optional<std::uint64_t> swap_bytes;
  std::optional<std::uint64_t> cgroup_bytes;

  friend bool operator==(const HistoryPoint&, const HistoryPoint&) = default;
};

/// Sites that a suppression hides.
struct Suppressed {
  struct Rule {
    std::string pattern;
    std::uint64_t sites = 0;
    std::uint64_t bytes = 0; ///< outstanding

    friend bool operator==(const Rule&, const Rule&) = default;
  };
  std::vector<Rule> rules; ///< those that hid something
  std::uint64_t sites = 0;
  std::uint64_t bytes = 0; ///< outstanding
  std::uint64_t count = 0;
  std::uint64_t containers = 0; ///< rows of containers that grow: the same memory once more

  friend bool operator==(const Suppressed&, const Suppressed&) = default;
};

struct HostReport {
  std::string hostname;
  std::string kernel;
  std::string arch;
  unsigned cpus = 0;
};

struct Sampling {
  std::uint64_t mean_bytes = 1; ///< between samples of the heap; 1: every block is followed
  bool exact = true;            ///< every block was followed, all the time
};

/// Of a run without any probe: Report::backend.
inline constexpr const char* no_backend = "none";

struct Report {
  std::string version;
  HostReport host;
  std::string started_at;
  double duration_seconds = 0;
  Sampling sampling;
  std::string backend;
  Overhead overhead;
  std::array<std::uint64_t, LEAKBPF_LOSS_COUNT> losses{};
  std::vector<TargetReport> targets;
  /// That have ended and are not in `targets`: no row is theirs, and others are worse.
  std::size_t targets_left_out = 0;
  std::vector<SiteReport> sites;
  std::size_t site_count = 0;   ///< all sites; `sites` may hold only the first rows
  std::vector<HeldReport> held; ///< containers that grow; the same memory as that of sites
  std::vector<HistoryPoint> history;
  std::vector<double> series_times; ///< of SiteReport::series
  Suppressed suppressed;
};

} // namespace leakbpf
