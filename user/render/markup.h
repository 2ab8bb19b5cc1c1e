// SPDX-License-Identifier: Apache-2.0
// Text from foreign files, made harmless for HTML, SVG and JSON inside a script element.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace leakbpf {

/// Valid UTF-8 of characters that can be printed: others become visible as escape_controls() makes
/// them, bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string clean_text(std::string_view text);

/// Clean text, cut to at most `columns` columns, the last of which is then an ellipsis.
[[nodiscard]] std::string cut_text(std::string_view text, std::size_t columns);

/// clean_text() with the characters replaced that have a meaning in HTML and XML; fit for element
/// content and for quoted attributes.
[[nodiscard]] std::string escape_markup(std::string_view text);

/// JSON text that can stand inside a script element: "<" is written as "\u003c", so that neither
/// "</script>" nor "<!--" can end it.
[[nodiscard]] std::string escape_script_json(std::string_view json);

} // namespace leakbpf
