// SPDX-License-Identifier: Apache-2.0
// Tells a program's wrappers of its allocator by what goes through them, not by their names: a way
// from the allocator outwards by which blocks come that leak and, from elsewhere, blocks that come
// and go.
#pragma once

#include "core/report.h"

#include <cstdint>
#include <unordered_set>

namespace leakbpf {

/// One step of a way from the allocator outwards: the way so far, with the frame's place in it.
[[nodiscard]] std::uint64_t path_through(std::uint64_t path, const Frame& frame);

/// Says nothing without a leak, nor without anything to compare it with.
class CommonPaths {
public:
  CommonPaths() = default;
  /// Of rows that are judged, and whose frames have names.
  explicit CommonPaths(const std::vector<SiteReport>& sites);

  [[nodiscard]] bool contains(std::uint64_t path) const { return paths_.contains(path); }
  /// Most of the program's stacks go through the frame.
  [[nodiscard]] bool is_trunk(const Frame& frame) const {
    return trunk_.contains(path_through(0, frame));
  }

  friend bool operator==(const CommonPaths&, const CommonPaths&) = default;

private:
  void find_trunk(const std::vector<SiteReport>& sites);

  std::unordered_set<std::uint64_t> paths_;
  std::unordered_set<std::uint64_t> trunk_; ///< path_through() of each frame alone
};

/// Enough was taken to tell, and most of it is given back.
[[nodiscard]] bool comes_and_goes(const SiteTotals& totals);

} // namespace leakbpf
