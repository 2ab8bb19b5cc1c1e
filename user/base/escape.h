// SPDX-License-Identifier: Apache-2.0
// Text from foreign files and processes, made harmless for a terminal: the one place that knows
// which characters can be shown.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace leakbpf {

/// The character that a text begins with.
struct Character {
  std::uint32_t code = 0;
  std::size_t bytes = 1;
  std::size_t columns = 1; ///< of a fixed-width font: 0 for a combining mark, 2 for a wide one
  bool printable = false;  ///< else it is to be escaped: see escape_controls

  /// Else it is a byte that is no part of any.
  [[nodiscard]] bool is_utf8() const { return bytes > 1 || code < 0x80; }
};

/// Of text that is not empty. A byte that is no UTF-8 counts as one that cannot be printed.
[[nodiscard]] Character first_character(std::string_view text);

/// Each byte as "\x1b" of what is not printable text: control characters (U+009B does what ESC [
/// does), line and paragraph separators, those that turn the direction of the text around them,
/// those that cannot be seen, those that no character is assigned to, and bytes that are no UTF-8.
/// Everything else stays as it is.
[[nodiscard]] std::string escape_controls(std::string_view text);

/// Columns of escaped text.
[[nodiscard]] std::size_t text_columns(std::string_view text);

/// The beginning of escaped text that fits into `columns`, cut between characters.
[[nodiscard]] std::string_view fit_columns(std::string_view text, std::size_t columns);

/// Filled up with blanks to `columns` (which fmt does by another table of widths).
[[nodiscard]] std::string pad_columns(std::string_view text, std::size_t columns);

/// The last thing that happens to text for a terminal: what is neither a line's end nor printable
/// nor one of the colours of a Painter becomes visible, whoever forgot to escape it.
[[nodiscard]] std::string terminal_text(std::string_view text);

/// The only escape sequences that leakbpf's tables have.
inline constexpr std::string_view style_bold = "\x1b[1m";
inline constexpr std::string_view style_dim = "\x1b[2m";
inline constexpr std::string_view style_alarm = "\x1b[33m";
inline constexpr std::string_view style_end = "\x1b[0m";

} // namespace leakbpf
