// SPDX-License-Identifier: Apache-2.0
// Whether a target, or a site, leaks: the rules, and the reasons in words.
#pragma once

#include "core/report.h"
#include "core/room_growth.h"
#include "core/trend.h"

#include <optional>
#include <string>
#include <vector>

namespace leakbpf {

/// How full the memory is that a target may have. Bytes.
struct LimitUse {
  MemoryLimit limit;
  double used = 0; ///< what counts against it
  double left = 0;
};

/// What the judges know of what was missed.
struct Losses {
  double share = 0;               ///< of all allocations, 0 to 1, that could not be followed
  std::vector<std::string> words; ///< what was lost, one a kind
};

/// Of sites whose growth is steady, and whose blocks stay: no noise of the allocator is in it.
struct SureGrowth {
  double rate = 0;      ///< bytes a second
  double projected = 0; ///< as Trend::projected
  double blocks = 0;    ///< outstanding
};

/// Trends of parts of a target's memory; nothing where it could not be read.
struct TargetEvidence {
  double seconds = 0;             ///< that it was watched
  bool young = false;             ///< it was started late in the run: a start is no leak
  std::optional<Trend> memory;    ///< RSS and what was swapped out
  std::optional<Trend> anonymous; ///< and what of it was swapped out
  std::optional<Trend> file;
  std::optional<Trend> shared;
  std::optional<Trend> swapped;
  std::optional<Trend> outstanding;    ///< of all kinds
  SureGrowth sites;                    ///< of those of its sites that surely grow
  SureGrowth heap_sites;               ///< of the sites of heap or pages among them
  SureGrowth held;                     ///< of containers that grow; much of it is in `sites`, too
  SureGrowth touched;                  ///< of pages that were turned to; likewise
  std::optional<double> pages_seconds; ///< since these were turned to
  std::optional<RoomGrowth> room;      ///< in its heap, where that was looked at
  bool held_only = false;              ///< nothing but containers was looked at
  bool by_pages = false;               ///< sites are those that touched what is resident
  std::string no_held; ///< why containers of a Python could not be read; empty: they were
  std::optional<LimitUse> limit;
  /// Sustained growth of sites that are suppressed, as Trend::projected; bytes a second.
  double suppressed_rate = 0;
  /// Share of the blocks of its growing heap sites in the place of which blocks from before the
  /// attach were freed: near 1, nothing grows as a whole.
  double replaced_share = 0;
  Losses losses;
};

struct TargetJudgement {
  Verdict verdict;
  std::optional<double> growth_bytes_per_minute;
  std::optional<double> seconds_to_limit;
  std::optional<double> explained_percent;
};

/// By the thresholds of the contract: 1, 5 and 50 MB a minute (of 2^20 bytes), 90 percent of the
/// limit, one hour to it.
[[nodiscard]] TargetJudgement judge_target(const TargetEvidence& evidence);

/// What a target's growth is judged by: its memory, or where that does not grow, since pages of
/// files make room, what is no file's.
[[nodiscard]] const std::optional<Trend>& judged_memory(const TargetEvidence& evidence);

/// Pages were turned to, and all that was allocated still shows too little of the growth.
[[nodiscard]] bool needs_pages(const TargetEvidence& evidence);
/// Pages that were turned to show more than all that was allocated, which shows too little.
[[nodiscard]] bool is_shown_by_pages(const TargetEvidence& evidence);

struct SiteEvidence {
  std::optional<Trend> trend; ///< of its outstanding bytes
  std::optional<double> old_survival_percent;
  std::optional<double> survival_age_seconds;
  bool replaces = false; ///< the trend was brought down to what the heap's blocks grow by
  const TargetEvidence* target = nullptr; ///< of its target; null: unknown
};

struct SiteJudgement {
  Verdict verdict;
  std::optional<double> score;
};

/// The score is the product of how steadily it grew (Kendall's tau), how much of what it took stays
/// (half of that counts), how much of its first growth is left, and the share of allocations that
/// were followed.
[[nodiscard]] SiteJudgement judge_site(const SiteEvidence& evidence);
/// The score alone.
[[nodiscard]] double score_of(const SiteEvidence& evidence);
/// Adds a site of `blocks` outstanding ones to what its target is judged by, if it surely grows.
void weigh_site(TargetEvidence& target, const SiteEvidence& site, leakbpf_kind kind, double blocks);

/// A rise that is too small to be called growth: bytes over a whole run.
constexpr double least_rise_bytes = 64 * 1024;

} // namespace leakbpf
