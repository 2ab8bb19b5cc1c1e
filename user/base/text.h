// SPDX-License-Identifier: Apache-2.0
// What is done to text that the standard library has no function for.
#pragma once

#include <cstdint>
#include <string>

namespace leakbpf {

/// A code point as UTF-8; a lone surrogate, which only Python allows, and what is none as U+FFFD.
void append_utf8(std::string& text, std::uint32_t code);

/// The letters of ASCII.
[[nodiscard]] std::string in_lower_case(std::string text);

} // namespace leakbpf
