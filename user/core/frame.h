// SPDX-License-Identifier: Apache-2.0
// One frame of a call stack, named as far as it can be.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace leakbpf {

enum class FrameKind { native, python, kernel, note };

[[nodiscard]] constexpr std::string_view frame_kind_name(FrameKind kind) {
  switch (kind) {
  case FrameKind::python:
    return "python";
  case FrameKind::kernel:
    return "kernel";
  case FrameKind::note:
    return "note";
  default:
    return "native";
  }
}

struct Frame {
  FrameKind kind = FrameKind::native;
  std::string function; ///< of a note: its text; empty: unknown
  std::string module;   ///< path as the target sees it
  std::string build_id;
  std::optional<std::uint64_t> offset; ///< in the module's file
  std::string file;
  std::uint32_t line = 0; ///< 0: unknown
  bool inlined = false;
  bool tail_call = false; ///< left before what it called ran: on no stack, at its first line here

  friend bool operator==(const Frame&, const Frame&) = default;
};

/// A frame that many stacks share: a handle that is cheap to copy. Never empty, never changed.
class FrameRef {
public:
  FrameRef(Frame frame) // NOLINT: a frame can stand wherever a handle can
      : frame_(std::make_shared<const Frame>(std::move(frame))) {}

  operator const Frame&() const { return *frame_; } // NOLINT: and a handle wherever a frame can
  const Frame& operator*() const { return *frame_; }
  const Frame* operator->() const { return frame_.get(); }
  /// The same for the handles of one frame: to tell frames apart without comparing them.
  [[nodiscard]] const Frame* id() const { return frame_.get(); }

private:
  std::shared_ptr<const Frame> frame_;
};

/// Frames of one stack, innermost first.
using Frames = std::vector<FrameRef>;

} // namespace leakbpf
