// SPDX-License-Identifier: Apache-2.0
// Numbers the frames of many stacks, so that what is made of a frame is made once.
#pragma once

#include "core/frame.h"
#include "core/frame_hash.h"

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// Equal frames have one number, from 0 in the order of first sight.
class FrameTable {
public:
  [[nodiscard]] std::uint32_t number(const FrameRef& frame);
  [[nodiscard]] const Frame& at(std::uint32_t number) const { return *frames_[number]; }

private:
  // Most handles share their frame: comparing what is in it is seldom needed.
  struct Known {
    FrameRef frame; ///< kept, or another could come to lie at its address
    std::uint32_t number = 0;
  };
  std::unordered_map<const Frame*, Known> by_identity_;
  std::unordered_map<FrameRef, std::uint32_t, FrameHash, FrameEqual> by_content_;
  std::vector<const Frame*> frames_;
};

/// Hash of a stack, or of a part of one, whose frames are numbers.
struct NumbersHash {
  std::size_t operator()(const std::vector<std::uint32_t>& numbers) const noexcept;
};

/// The function's name as a person says it, without its place; "[text]" of a note, "libx.so+0x12"
/// of a place in a file without a name, else "[unknown]". As it is in the frame: not made harmless.
[[nodiscard]] std::string frame_label(const Frame& frame);

} // namespace leakbpf
