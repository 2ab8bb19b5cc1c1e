// SPDX-License-Identifier: Apache-2.0
// Which rows of a report are shown, and in which order.
#pragma once

#include "core/grouping.h"
#include "core/pattern.h"
#include "core/report.h"

#include <optional>

namespace leakbpf {

enum class SortOrder { growth, bytes, count, age };

/// Those that only say where a pool was begun come last. Largest first by the wanted number; what
/// is unknown comes last; ties by bytes, then by stack. By growth, sites whose growth is sustained
/// stand before those that go up and down.
struct SiteOrder {
  SortOrder sort = SortOrder::growth;

  [[nodiscard]] bool operator()(const SiteReport& a, const SiteReport& b) const;
  friend bool operator==(const SiteOrder&, const SiteOrder&) = default;
};
[[nodiscard]] inline SiteOrder site_order(SortOrder sort) {
  return {sort};
}

/// Stands before `b` where the worst target comes first: by severity, by growth, by bytes.
[[nodiscard]] bool is_worse(const TargetReport& a, const TargetReport& b);

/// A frame of the stack has the pattern in its function, file or module.
[[nodiscard]] bool stack_matches(const Frames& frames, const Pattern& pattern);

/// It stands above the rows of stacks: it leaks, or is a good part of its target's growth.
[[nodiscard]] bool leads(const HeldReport& row, const Report& report);
/// Containers that grow account for a good part of the target's growth.
[[nodiscard]] bool explains_growth(double held_bytes_per_minute, const TargetReport& target);
/// Sets SiteReport::behind.
void put_pools_behind(Report& report);

/// Stacks of one culprit are rows of their own, such rows that follow each other, or one row.
enum class CulpritRows { apart, together, joined };

/// How a stored report is to be shown.
struct Arrangement {
  SortOrder sort = SortOrder::growth;
  GroupBy group_by = GroupBy::stack;
  CulpritRows culprits = CulpritRows::apart;
  std::size_t rows = 0;            ///< most of them, none of which nothing is left; 0: all
  const Pattern* filter = nullptr; ///< rows whose stack matches; null: all
};

void arrange(Report& report, const Arrangement& arrangement);

} // namespace leakbpf
