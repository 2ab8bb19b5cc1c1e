// SPDX-License-Identifier: Apache-2.0
// Finds frames by what they say, to keep each distinct one once.
#pragma once

#include "core/frame.h"

#include <cstddef>
#include <functional>

namespace leakbpf {

/// For unordered containers of FrameRef that are asked with a Frame.
struct FrameHash {
  using is_transparent = void;

  std::size_t operator()(const Frame& frame) const noexcept {
    const std::hash<std::string> text;
    std::size_t hash = text(frame.function);
    const auto add = [&hash](std::size_t part) { hash = hash * 31 + part; };
    add(text(frame.file));
    add(text(frame.module));
    add(frame.line);
    add(frame.offset.value_or(0));
    return hash;
  }
};

struct FrameEqual {
  using is_transparent = void;

  bool operator()(const Frame& a, const Frame& b) const { return &a == &b || a == b; }
};

} // namespace leakbpf
