// SPDX-License-Identifier: Apache-2.0
// Which frame of a stack a person would open first.
#pragma once

#include "core/report.h"

#include <string_view>

namespace leakbpf {

/// Index of the first frame from the inside that is not the allocator, not a language runtime and
/// not the standard library; the innermost named frame when all are; 0 when none has a name. In a
/// stack with Python frames the innermost one of the application's own files, else of a package,
/// else of the standard library.
[[nodiscard]] std::size_t find_culprit(const Frames& frames);

/// The stack has a Python frame.
[[nodiscard]] bool has_python(const Frames& frames);

/// The frame is of the application's own code: neither the allocator's, nor a language runtime's,
/// nor the standard library's, nor of a Python package.
[[nodiscard]] bool is_application(const Frame& frame);

/// "function at file:line", as far as known; else "module+0xoffset".
[[nodiscard]] std::string describe_frame(const Frame& frame);

/// A C++ function's name as a person says it: without its parameters and without "(anonymous
/// namespace)::". Other names come back unchanged.
[[nodiscard]] std::string short_function(const std::string& name);

/// The last part of a path.
[[nodiscard]] std::string_view base_name(std::string_view path);

} // namespace leakbpf
