// SPDX-License-Identifier: Apache-2.0
// Changes a frame of a test's stack; other stacks keep theirs.
#pragma once

#include "core/frame.h"

namespace leakbpf {

template <class Edit> void edit_frame(FrameRef& frame, Edit edit) {
  Frame edited = *frame;
  edit(edited);
  frame = FrameRef(std::move(edited));
}

} // namespace leakbpf
