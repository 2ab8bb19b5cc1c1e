// SPDX-License-Identifier: Apache-2.0
// Why a stack is not whole, in words.
#pragma once

#include "core/frame.h"

#include <leakbpf/abi.h>

namespace leakbpf {

/// For the note in the place of the frames that are missing; empty for a complete stack.
[[nodiscard]] const char* stack_end_text(leakbpf_stack_end end);

/// A walk that ended at LEAKBPF_STACK_ZERO_FRAME came to the first function of its thread, by the
/// names of its frames; also where the last has none, and nobody knows.
[[nodiscard]] bool reaches_first_function(const Frames& frames);

} // namespace leakbpf
