// SPDX-License-Identifier: Apache-2.0
// Estimates against what was measured of the process: no row, and no sum of rows, has more than
// there is.
#pragma once

#include "core/report.h"
#include "core/room_growth.h"

#include <unordered_map>

namespace leakbpf {

/// Bytes of a process, as measured.
struct MeasuredMemory {
  std::uint64_t resident = 0;          ///< 0: unknown
  std::optional<std::uint64_t> python; ///< of the pools of its Python
  std::optional<double> growth;        ///< a minute; of memory that grows steadily
  std::optional<RoomGrowth> heap{};    ///< where it was looked at
};

/// Scales the estimates of each target down to what it has, by their totals and their growth, and
/// adds what was taken off to their errors. What was counted block by block stays as it is. Sampled
/// pages grow no faster together than the process does: they are a part of it. Small blocks of the
/// heap grow no faster together than the blocks that are in it.
void reconcile(std::vector<SiteReport>& rows,
               const std::unordered_map<std::uint32_t, MeasuredMemory>& by_target);

} // namespace leakbpf
