// SPDX-License-Identifier: Apache-2.0
// Why a stack is not whole, in words.
#pragma once

#include <leakbpf/abi.h>

namespace leakbpf {

/// For the note in the place of the frames that are missing; empty for a complete stack.
[[nodiscard]] const char* stack_end_text(leakbpf_stack_end end);

} // namespace leakbpf
