// SPDX-License-Identifier: Apache-2.0
#include "core/stack_end.h"

#include <array>

namespace leakbpf {

namespace {

// In the order of enum leakbpf_stack_end.
constexpr std::array<const char*, LEAKBPF_STACK_END_COUNT> texts{
    "",
    "more frames than --max-depth",
    "the stack ends here: this file's unwind table was not loaded yet",
    "the stack ends here: the file's call-frame information is of a form that is not supported",
    "the stack ends here: its memory could not be read",
    "the stack ends here: no call-frame information for this code, and no frame pointer",
    "the stack ends here: the return address is outside all code",
    "the stack ends here: the process was changing its mappings",
    "the stack ends here: the caller depends on a register whose value is lost",
    "the stack ends here: its memory could not be read",
};

} // namespace

const char* stack_end_text(leakbpf_stack_end end) {
  return end < texts.size() ? texts.at(end) : "the stack ends here";
}

} // namespace leakbpf
