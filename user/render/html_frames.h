// SPDX-License-Identifier: Apache-2.0
// Stacks in the data of a page: each frame once, and the rows refer to it.
#pragma once

#include "core/frame.h"
#include "render/frame_table.h"
#include "render/json_frame.h"

#include <string>

namespace leakbpf {

/// "app/cart.py:88", "cart.cpp:42", or the module's name; empty when neither is known.
[[nodiscard]] std::string short_place(const Frame& frame);

class PageFrames {
public:
  /// Numbers of the frames, innermost first. They have to outlive this object.
  [[nodiscard]] OutputJson add(const Frames& frames);
  /// The frames by number: [kind, function, place, module, inlined, of the application].
  [[nodiscard]] OutputJson take() { return std::move(list_); }

private:
  FrameTable table_;
  OutputJson list_ = OutputJson::array();
};

} // namespace leakbpf
