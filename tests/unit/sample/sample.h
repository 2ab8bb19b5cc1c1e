// SPDX-License-Identifier: Apache-2.0
// A small library with debug information, for tests that copy, damage or strip a whole file: the
// test program itself is hundreds of megabytes with the sanitizers.
#pragma once

#include <cstdint>
#include <string>

namespace sample {

/// The address of a function that no dynamic symbol names, which begins at `target_line` of
/// `source_file`, or at the line after it.
[[nodiscard]] const void* target();
[[nodiscard]] std::uint32_t target_line();
[[nodiscard]] std::string source_file();

/// Code with many functions and inlined calls around it, so that there is much to damage.
[[nodiscard]] std::string busy(int number);

} // namespace sample
