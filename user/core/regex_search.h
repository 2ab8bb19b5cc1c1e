// SPDX-License-Identifier: Apache-2.0
// Searches texts of any length for a regular expression.
#pragma once

#include <regex>
#include <string>

namespace leakbpf {

/// The pattern is somewhere in `text`. In a long one what it matches must not be longer than two
/// thousand characters: the standard library's matcher takes stack for each of them.
[[nodiscard]] bool has_match(const std::string& text, const std::regex& pattern);

} // namespace leakbpf
