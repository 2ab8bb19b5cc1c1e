// SPDX-License-Identifier: Apache-2.0
#include "core/stack_end.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace leakbpf {

namespace {

// In the order of enum leakbpf_stack_end.
constexpr std::array<const char*, LEAKBPF_STACK_END_COUNT> end_texts{
    "",
    "more frames than --max-depth",
    "the stack ends here: this file's unwind table was not loaded yet",
    "the stack ends here: the file's call-frame information has an unsupported form",
    "the stack ends here: its memory could not be read",
    "the stack ends here: no call-frame information for this code, and no frame pointer",
    "the stack ends here: the return address is outside any code",
    "the stack ends here: the process was changing its mappings",
    "the stack ends here: the caller's frame depends on a register whose value is lost",
    "the stack ends here: its memory could not be read",
    "the stack ends here: no call-frame information for this code, and no frame pointer",
};

// Of C libraries: where a program or a thread begins.
constexpr std::array<std::string_view, 13> first_functions{"main",
                                                           "_start",
                                                           "_start_c",
                                                           "__libc_start_main",
                                                           "start_thread",
                                                           "start",
                                                           "clone",
                                                           "clone3",
                                                           "__clone",
                                                           "__clone3",
                                                           "_dl_start",
                                                           "_dl_start_user",
                                                           "__libc_start_call_main"};

bool is_first_function(const Frame& frame) {
  return frame.function.starts_with("runtime.") || // of Go
         std::find(first_functions.begin(), first_functions.end(), frame.function) !=
             first_functions.end();
}

} // namespace

const char* stack_end_text(leakbpf_stack_end end) {
  return end < end_texts.size() ? end_texts.at(end) : "the stack ends here";
}

bool reaches_first_function(const Frames& frames) {
  const auto starts = [](const FrameRef& frame) { return is_first_function(frame); };
  return frames.empty() || frames.back()->function.empty() ||
         std::any_of(frames.begin(), frames.end(), starts);
}

} // namespace leakbpf
