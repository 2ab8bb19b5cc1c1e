// SPDX-License-Identifier: Apache-2.0
// The stacks of a compact snapshot, as render/compact.h describes them.
#pragma once

#include "core/frame.h"
#include "store/json_fields.h"

#include <cstdint>
#include <vector>

namespace leakbpf {

/// The tree of stacks and the frames in it.
class StackTable {
public:
  void add_frame(Frame frame) { frames_.emplace_back(std::move(frame)); }
  /// Reads the columns, after all frames. Checks that every row has a frame and an outer row before
  /// it, so that no stack can go in a circle, and that no stack is deeper than 65,536 frames.
  void read(const Fields& columns);
  /// The stack of a row, innermost frame first. False, and nothing: there is no such row, or all
  /// stacks so far have more than 64 million frames.
  [[nodiscard]] bool stack(std::uint64_t row, Frames& stack);

private:
  struct Row {
    std::uint32_t outer = 0; ///< rows before this one; 0: outermost
    std::uint32_t frame = 0;
    std::uint32_t depth = 0; ///< frames from here outwards
  };

  Frames frames_;
  std::vector<Row> rows_;
  std::uint64_t handed_out_ = 0;
};

} // namespace leakbpf
