// SPDX-License-Identifier: Apache-2.0
// How much of a process's growth is room in its heap, and how much of what its stacks seem to keep
// takes the place of other blocks, from a few looks at the whole heap.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace leakbpf {

/// A look at a heap. Bytes.
struct RoomLook {
  double seconds = 0;
  double free_bytes = 0;  ///< room between blocks: fragmentation
  double used_bytes = 0;  ///< in blocks
  double memory = 0;      ///< of the process, resident
  double outstanding = 0; ///< what was taken since the attach, and lies there
};

struct RoomGrowth {
  double share = 0; ///< of what the memory grew by since the first look: room, 0 to 1
  double bytes = 0; ///< of room, at the last look
  /// Of what outstanding bytes grew by: what the blocks grew by, 0 to 1. The rest took the place of
  /// blocks from before the attach.
  double kept = 1;
};

/// What looks told, in bounded room.
class RoomHistory {
public:
  /// `seconds` ascend.
  void add(const RoomLook& look);
  /// Nothing before there were three looks over 10 s. One fall does not hide a growth: of steps the
  /// median counts, too. Room that blocks left behind is no growth: it counts as far as the heap
  /// grew, blocks and all.
  [[nodiscard]] std::optional<RoomGrowth> growth() const;

private:
  std::vector<RoomLook> looks_;
};

} // namespace leakbpf
