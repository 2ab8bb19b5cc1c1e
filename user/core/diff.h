// SPDX-License-Identifier: Apache-2.0
// What changed between two snapshots: of one process, or of another run of the same program.
#pragma once

#include "core/report.h"

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
  /// Growth per minute: after minus before; what is unknown counts as none.
  [[nodiscard]] double growth_change() const {
    const auto growth = [](const std::optional<DiffFigures>& side) {
      return side ? side->growth_bytes_per_minute.value_or(0) : 0;
    };
    return growth(after) - growth(before);
  }
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
  std::string version; ///< of the leakbpf that compares
  DiffSide before;
  DiffSide after;
  std::vector<DiffRow> rows; ///< the largest growth first
};

/// Stacks are the same when the functions and files of their frames are, whatever the lines and
/// builds; sites of several processes with one stack are added up.
[[nodiscard]] Diff compare(const Report& before, const std::string& before_name,
                           const Report& after, const std::string& after_name);

} // namespace leakbpf
