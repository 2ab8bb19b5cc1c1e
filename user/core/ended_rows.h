// SPDX-License-Identifier: Apache-2.0
// What a table shows of targets that have ended. Tables are made each second, and what has ended
// does not change: each target is looked at once, however many tables there are.
#pragma once

#include "core/ended_targets.h"
#include "core/grouping.h"
#include "core/ranking.h"

#include <functional>
#include <optional>
#include <vector>

namespace leakbpf {

/// How the tables are made.
struct EndedRowsView {
  std::size_t rows = 20; ///< of a table
  SiteOrder order;
  GroupBy by = GroupBy::stack;
  /// The row of a site; nothing when it is not to be shown. Counts it where it is suppressed.
  std::function<std::optional<SiteReport>(const EndedTarget&, const EndedSite&, Suppressed&)> row;
  /// See group_frame; not for GroupBy::stack.
  std::function<GroupFrame(const SiteReport&)> group;
};

class EndedRows {
public:
  /// Looks at the targets that are new since the last time; at all of them again when the view is
  /// another, or when some were evicted.
  void update(const EndedTargets& ended, const EndedRowsView& view);

  /// The first rows, in no order, without frames: where rows are made of sites of one target.
  [[nodiscard]] const std::vector<SiteReport>& best() const { return best_; }
  /// Rows of sites of several targets.
  [[nodiscard]] const SiteMerger& merged() const { return merged_; }
  /// All rows that are not in merged().
  [[nodiscard]] std::size_t row_count() const { return row_count_; }
  /// Ids of those that would be shown as targets, the worst first.
  [[nodiscard]] const std::vector<std::uint32_t>& worst() const { return worst_; }
  [[nodiscard]] const Suppressed& suppressed() const { return suppressed_; }
  /// Targets that were ever looked at: what the tables cost.
  [[nodiscard]] std::size_t looks() const { return looks_; }

private:
  void restart(const EndedTargets& ended, const EndedRowsView& view);
  void look_at(const EndedTarget& target, const EndedRowsView& view);
  void keep_worst(const EndedTargets& ended, std::uint32_t id);
  void keep_best();

  std::size_t rows_ = 0;
  SiteOrder order_;
  GroupBy by_ = GroupBy::stack;
  std::uint64_t generation_ = 0;
  std::size_t seen_ = 0; ///< of EndedTargets::arrivals
  std::size_t looks_ = 0;
  std::vector<SiteReport> best_;
  SiteMerger merged_{GroupBy::stack};
  std::size_t row_count_ = 0;
  std::vector<std::uint32_t> worst_;
  Suppressed suppressed_;
};

} // namespace leakbpf
