// SPDX-License-Identifier: Apache-2.0
#include "store/stack_table.h"

namespace leakbpf {

namespace {

// A few kilobytes could otherwise stand for stacks that no memory holds.
constexpr std::uint32_t most_stack_depth = 65'536;
constexpr std::uint64_t most_frames = std::uint64_t{64} << 20;

} // namespace

void StackTable::read(const Fields& columns) {
  std::vector<std::uint32_t> outer;
  std::vector<std::uint32_t> frame;
  columns.read("outer", outer);
  columns.read("frame", frame);
  if (outer.size() != frame.size())
    columns.note("frame", "is not as long as the other columns");
  if (columns.problem().found())
    return;
  rows_.reserve(outer.size());
  for (std::size_t i = 0; i < outer.size(); i++) {
    if (outer[i] > i)
      return columns.note("outer", "points outside the table");
    if (frame[i] >= frames_.size())
      return columns.note("frame", "names a frame that is not in frame_table");
    const std::uint32_t depth = outer[i] == 0 ? 1 : rows_[i - outer[i]].depth + 1;
    if (depth > most_stack_depth)
      return columns.note("outer", "makes a stack of more than 65,536 frames");
    rows_.push_back({outer[i], frame[i], depth});
  }
}

bool StackTable::stack(std::uint64_t row, Frames& stack) {
  if (row >= rows_.size())
    return false;
  handed_out_ += rows_[row].depth;
  if (handed_out_ > most_frames)
    return false;
  stack.clear();
  stack.reserve(rows_[row].depth);
  for (std::uint64_t at = row;; at -= rows_[at].outer) {
    stack.push_back(frames_[rows_[at].frame]);
    if (rows_[at].outer == 0)
      return true;
  }
}

} // namespace leakbpf
