// SPDX-License-Identifier: Apache-2.0
// Which rows of a report are shown, and in which order.
#pragma once

#include "core/grouping.h"
#include "core/report.h"

#include <functional>
#include <optional>
#include <regex>

namespace leakbpf {

enum class SortOrder { growth, bytes, count, age };

using SiteOrder = std::function<bool(const SiteReport&, const SiteReport&)>;

/// Largest first by the wanted number; what is unknown comes last; ties by bytes, then by stack. By
/// growth, sites whose growth is sustained stand before those that go up and down.
[[nodiscard]] SiteOrder site_order(SortOrder sort);

/// A frame of the stack has the pattern in its function, file or module.
[[nodiscard]] bool stack_matches(const Frames& frames, const std::regex& pattern);

/// How a stored report is to be shown.
struct Arrangement {
  SortOrder sort = SortOrder::growth;
  GroupBy group_by = GroupBy::stack;
  std::size_t rows = 0;               ///< most of them, none of which nothing is left; 0: all
  const std::regex* filter = nullptr; ///< rows whose stack matches; null: all
};

void arrange(Report& report, const Arrangement& arrangement);

} // namespace leakbpf
