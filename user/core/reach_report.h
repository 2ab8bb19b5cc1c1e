// SPDX-License-Identifier: Apache-2.0
// Whether the program can still reach what a stack took: from outside, by looking for pointers.
#pragma once

#include <cstddef>
#include <string>

namespace leakbpf {

struct ReachReport {
  bool lost = false;      ///< no pointer to the blocks anywhere; else they are held
  std::string by;         ///< who holds most of them: "global `table` (shop), through 2 blocks"
  double share = 0;       ///< 0 to 1: of the blocks that were looked at, for which this is so
  std::size_t blocks = 0; ///< that were looked at, each several times

  friend bool operator==(const ReachReport&, const ReachReport&) = default;
};

/// "lost: there is no pointer to 31 of 32 old blocks anywhere", "held by ...".
[[nodiscard]] std::string describe_reach(const ReachReport& reach);

} // namespace leakbpf
