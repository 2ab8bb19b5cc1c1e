// SPDX-License-Identifier: Apache-2.0
#include "core/reach_report.h"

#include "core/units.h"

#include <cmath>

#include <fmt/format.h>

namespace leakbpf {

std::string describe_reach(const ReachReport& reach) {
  const auto count =
      static_cast<std::uint64_t>(std::lround(reach.share * static_cast<double>(reach.blocks)));
  const std::string of =
      fmt::format("{} of {} old blocks", format_count(count), format_count(reach.blocks));
  return reach.lost ? fmt::format("lost: no pointer to {} is left anywhere", of)
                    : fmt::format("held by {} ({})", reach.by, of);
}

} // namespace leakbpf
