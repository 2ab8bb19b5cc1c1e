// SPDX-License-Identifier: Apache-2.0
// Gives each function of a flame graph one number.
#pragma once

#include "core/frame.h"
#include "render/flame_tree.h"
#include "render/frame_table.h"

#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace leakbpf {

/// Frames of the same function get the same symbol, whatever their line.
class FlameSymbols {
public:
  /// Index of the frame's symbol. The frame has to outlive this object.
  [[nodiscard]] std::uint32_t of(const FrameRef& frame);
  [[nodiscard]] std::uint32_t of(FlameKind kind, const std::string& label);
  [[nodiscard]] std::vector<FlameSymbol> take() { return std::move(symbols_); }
  [[nodiscard]] const FlameSymbol& at(std::uint32_t index) const { return symbols_[index]; }

private:
  using Key =
      std::tuple<FlameKind, std::string, std::string>; ///< kind, label, place: as in the frame
  [[nodiscard]] std::uint32_t intern(FlameKind kind, const std::string& label,
                                     const std::string& place);

  std::vector<FlameSymbol> symbols_;
  std::map<Key, std::uint32_t> index_;
  FrameTable frames_;
  std::vector<std::uint32_t> of_frame_; ///< by its number in frames_
};

} // namespace leakbpf
