// SPDX-License-Identifier: Apache-2.0
// A frame in words.
#pragma once

#include "core/frame.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace leakbpf {

/// "function at file:line", as far as known; else "module+0xoffset".
[[nodiscard]] std::string describe_frame(const Frame& frame);

/// The same for a row that is read: a long name is shortened, and where the program's start has no
/// line an offset tells apart what was inlined into it.
[[nodiscard]] std::string describe_place(const Frame& frame);

/// " (inlined)" or " (ended in this call)", of a frame that names tell of, not the stack; else "".
[[nodiscard]] std::string_view frame_remark(const Frame& frame);

/// A C++ function's name as a person says it: without its parameters and without "(anonymous
/// namespace)::". Other names come back unchanged.
[[nodiscard]] std::string short_function(const std::string& name);

/// The same, without what the compiler calls a copy of it, and at most 80 characters: of a longer
/// name the arguments of templates are left out, then its beginning.
[[nodiscard]] std::string readable_function(const std::string& name);

/// The last part of a path.
[[nodiscard]] std::string_view base_name(std::string_view path);

/// Where the name begins in a demangled function: a template has its return type in front.
[[nodiscard]] std::size_t name_start(std::string_view function);

} // namespace leakbpf
