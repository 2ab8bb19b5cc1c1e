// SPDX-License-Identifier: Apache-2.0
// What is known of the targets at one moment, as plain values. What makes rows and verdicts of it
// reads neither the kernel, nor /proc, nor a clock.
#pragma once

#include "core/report.h"
#include "core/room_growth.h"
#include "core/verdict.h"
#include "core/window_state.h"

#include <leakbpf/abi.h>

#include <cstdint>
#include <map>
#include <optional>

namespace leakbpf {

/// Times in seconds since tracing began.
struct RawTarget {
  std::uint32_t id = 0;
  double since = 0;                  ///< it was first seen
  double until = 0;                  ///< it ended, or now
  bool asked_for = false;            ///< by its PID or a selection; else it is a child
  WindowState window;                ///< how sums of its heap are to be read
  bool maps_blocks = false;          ///< its large blocks are known by their mappings
  bool has_rows_of_pages = false;    ///< a sample of its pages is followed
  std::optional<double> pages_since; ///< these were turned to
  std::optional<double> net_blocks;  ///< that it took, less those that it freed; unknown in windows
  std::optional<std::uint64_t> python_pools; ///< bytes
  std::optional<RoomGrowth> room;            ///< in its heap
  std::optional<LimitUse> limit;
  TargetReport report; ///< what is shown of it, but for sums and the verdict
};

struct RawSnapshot {
  double now = 0;
  bool is_last = false;               ///< nothing counts any more
  bool by_pages = false;              ///< sums and verdicts are of pages alone
  bool all_followed = false;          ///< no block was left out, by its size or for want of room
  std::optional<double> survival_age; ///< seconds; of SiteAges::old_survival_percent
  double allocated_count = 0; ///< allocations that were seen, of all targets there ever were
  leakbpf_counters counted{};
  Report head; ///< what is the same however rows are made: host, cost, losses
  std::map<std::uint32_t, Overhead> group_costs; ///< by EndedTarget::group
  std::map<std::uint32_t, RawTarget> targets;    ///< by id: those that are not settled
};

/// What is resident has pages, whoever took it: sums are of them alone where they were asked for,
/// else of all the others.
[[nodiscard]] inline bool is_summed(const SiteKey& key, bool by_pages) {
  return (key.kind == LEAKBPF_KIND_PAGES) == by_pages;
}

/// Does its growth tell of its target's?
[[nodiscard]] inline bool is_weighed(const SiteKey& key, bool by_pages) {
  return is_summed(key, by_pages) || key.kind == LEAKBPF_KIND_PAGES;
}

} // namespace leakbpf
