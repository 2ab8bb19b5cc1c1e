// SPDX-License-Identifier: Apache-2.0
// How much of a process's growth is room in its heap, and how much of what its stacks seem to keep
// takes the place of other blocks, from a few looks at the whole heap.
#pragma once

#include "core/history.h"

#include <optional>

namespace leakbpf {

/// A look at a heap. Bytes.
struct HeapLook {
  double seconds = 0;
  double room = 0;         ///< free between blocks, or not handed out yet, and in memory
  double used = 0;         ///< in blocks
  double memory = 0;       ///< of the process that is no file's
  double outstanding = 0;  ///< taken since the attach, and in the heap
  double of_all_kinds = 0; ///< outstanding in the heap and elsewhere
};

/// Bytes, and bytes a second.
struct RoomGrowth {
  double share = 0;      ///< of what the memory grew by: room for sure, 0 to 1
  double most_share = 0; ///< of it: room if a single jump of it counts, too; no less than `share`
  double bytes = 0;      ///< of room, at the last look
  /// What the blocks grow by as a whole.
  double blocks_rate = 0;
  /// The same where what comes and goes hid some of it: no stack of theirs grows faster.
  double most_blocks_rate = 0;
  /// What outstanding bytes grow by beside that: they take the place of blocks from before the
  /// attach, or are an error of the estimate. 0 where it may be none.
  double replaced_rate = 0;
  double replaced_share = 0; ///< of what outstanding bytes of all kinds grew by, 0 to 1
};

/// What looks told, in bounded room.
class RoomHistory {
public:
  /// `seconds` ascend.
  void add(const HeapLook& look) { looks_.add(look); }
  /// Nothing before there were four looks over 10 s, nor where what comes and goes from look to
  /// look is much against what grew. In doubt memory is in blocks: what is neither they nor room
  /// is, one fall hides no growth, and room that blocks left behind counts as far as the heap grew.
  [[nodiscard]] std::optional<RoomGrowth> growth() const;

private:
  ThinnedList<HeapLook, 64> looks_;
};

} // namespace leakbpf
