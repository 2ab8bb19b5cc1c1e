// SPDX-License-Identifier: Apache-2.0
// What changed between two snapshots: of one process, or of another run of the same program.
#pragma once

#include "core/report.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace leakbpf {

/// What one snapshot says of the stacks that a row of a diff stands for, added up.
struct DiffFigures {
  SiteTotals totals;
  std::optional<double> growth_bytes_per_minute;
  std::optional<Severity> severity; ///< the worst of the sites

  friend bool operator==(const DiffFigures&, const DiffFigures&) = default;
};

enum class Change { added, gone, grew, shrank, same };

[[nodiscard]] constexpr std::string_view change_name(Change change) {
  constexpr std::array<std::string_view, 5> names{"new", "gone", "grew", "shrank", "same"};
  return names.at(static_cast<std::size_t>(change));
}

/// Growth per minute: after minus before; what is unknown counts as none.
template <class Figures>
[[nodiscard]] double growth_between(const std::optional<Figures>& before,
                                    const std::optional<Figures>& after) {
  const auto growth = [](const std::optional<Figures>& side) {
    return side ? side->growth_bytes_per_minute.value_or(0) : 0;
  };
  return growth(after) - growth(before);
}

/// Growth adds up; of severities the worst counts.
template <class Figures>
void add_growth(Figures& figures, const std::optional<double>& bytes_per_minute,
                const std::optional<Severity>& severity) {
  if (bytes_per_minute)
    figures.growth_bytes_per_minute =
        figures.growth_bytes_per_minute.value_or(0) + *bytes_per_minute;
  if (severity)
    figures.severity = std::max(figures.severity.value_or(Severity::none), *severity);
}

struct DiffRow {
  std::size_t rank = 0; ///< from 1
  leakbpf_kind kind = LEAKBPF_KIND_HEAP;
  Change change = Change::same;
  std::optional<DiffFigures> before; ///< nothing: the stack was not there
  std::optional<DiffFigures> after;
  Frames frames; ///< as named in the later snapshot that has them, innermost first
  std::size_t culprit = 0;
  std::string source; ///< text of the culprit's line, where a snapshot has it

  /// Outstanding bytes: after minus before.
  [[nodiscard]] double bytes_change() const {
    const auto bytes = [](const std::optional<DiffFigures>& side) {
      return side ? static_cast<double>(side->totals.outstanding_bytes()) : 0;
    };
    return bytes(after) - bytes(before);
  }
  [[nodiscard]] double growth_change() const { return growth_between(before, after); }
};

/// What one snapshot says of a container, or of all of its path.
struct HeldFigures {
  std::uint64_t entries = 0;
  std::uint64_t bytes = 0; ///< about
  std::optional<double> growth_bytes_per_minute;
  std::optional<Severity> severity;

  friend bool operator==(const HeldFigures&, const HeldFigures&) = default;
};

/// A container that grew in one of them at least. What did not grow has no row in a snapshot.
struct HeldChange {
  Change change = Change::same;
  std::optional<HeldFigures> before; ///< nothing: it did not grow then
  std::optional<HeldFigures> after;
  HeldReport row; ///< of the later snapshot that has it

  [[nodiscard]] double growth_change() const { return growth_between(before, after); }
};

/// One of the two snapshots as a whole.
struct DiffSide {
  std::string file; ///< name of the snapshot
  std::string started_at;
  double duration_seconds = 0;
  std::vector<TargetReport> targets;
  std::uint64_t outstanding_bytes = 0;
  std::uint64_t outstanding_count = 0;
  std::vector<std::string> losses; ///< in words; empty: nothing was lost
};

struct Diff {
  std::string version;  ///< of the leakbpf that compares
  bool by_rate = false; ///< the runs differ in length: stacks of both are compared by growth alone
  DiffSide before;
  DiffSide after;
  std::vector<DiffRow> rows;    ///< the largest growth first
  std::vector<HeldChange> held; ///< so too

  /// Whether a change of this row's bytes says anything.
  [[nodiscard]] bool compares_bytes(const DiffRow& row) const {
    return !by_rate || !row.before || !row.after;
  }
};

/// Stacks are the same when the functions and files of their frames are, whatever the lines and
/// builds; sites of several processes with one stack are added up. Containers are the same when
/// their paths and types are. What is outstanding counts from the beginning of a run: of runs whose
/// lengths differ by more than a tenth a stack that is in both is compared by its growth per
/// minute.
[[nodiscard]] Diff compare(const Report& before, const std::string& before_name,
                           const Report& after, const std::string& after_name);

} // namespace leakbpf
