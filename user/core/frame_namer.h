// SPDX-License-Identifier: Apache-2.0
// Who names the frames of a stack.
#pragma once

#include "core/located_stack.h"
#include "core/report.h"

namespace leakbpf {

class FrameNamer {
public:
  virtual ~FrameNamer() = default;

  /// Frames, innermost first, among them calls that were inlined, and functions that are not on the
  /// stack any more since they ended in a call (tail calls), as far as who called them names them.
  /// A stack that is not whole ends in a note that says why.
  [[nodiscard]] virtual Frames name(const LocatedStack& stack) = 0;

protected:
  FrameNamer() = default;
  FrameNamer(const FrameNamer&) = default;
  FrameNamer& operator=(const FrameNamer&) = default;
};

} // namespace leakbpf
