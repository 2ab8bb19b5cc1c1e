// SPDX-License-Identifier: Apache-2.0
// What stands on a terminal, as plain values: lines of text in styles. Nothing here knows a
// terminal.
#pragma once

#include "base/escape.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace leakbpf {

/// What a text means; which colours that has is the terminal's affair.
enum class Style : std::uint8_t {
  plain,
  bold,
  dim,
  alarm,   ///< leaks, or soon out of memory
  warning, ///< losses; grows less
  good,    ///< nothing leaks
  python,
  held,  ///< a container
  key,   ///< a key that can be pressed
  bar,   ///< of a tab or a table's head
  chosen ///< the tab that is shown
};

struct Span {
  Style style = Style::plain;
  std::string text; ///< escaped

  friend bool operator==(const Span&, const Span&) = default;
};

/// Text of others may be added as it is: it is escaped here.
class ScreenLine {
public:
  ScreenLine() = default;
  ScreenLine(Style style, std::string_view text) { add(style, text); }
  explicit ScreenLine(std::string_view text) { add(text); }

  ScreenLine& add(Style style, std::string_view text) {
    if (!text.empty())
      spans_.push_back({style, escape_controls(text)});
    return *this;
  }
  ScreenLine& add(std::string_view text) { return add(Style::plain, text); }
  /// Blanks up to that column; one at least.
  ScreenLine& pad_to(std::size_t column) {
    const std::size_t now = columns();
    return add(std::string(now < column ? column - now : 1, ' '));
  }
  /// `text` at the right edge of so many columns, where there is room for it.
  ScreenLine& add_right(Style style, std::string_view text, std::size_t width) {
    const std::size_t size = text_columns(escape_controls(text));
    if (columns() + 1 + size <= width)
      pad_to(width - size).add(style, text);
    return *this;
  }

  [[nodiscard]] const std::vector<Span>& spans() const { return spans_; }
  [[nodiscard]] std::size_t columns() const {
    std::size_t sum = 0;
    for (const Span& span : spans_)
      sum += text_columns(span.text);
    return sum;
  }
  [[nodiscard]] std::string text() const {
    std::string all;
    for (const Span& span : spans_)
      all += span.text;
    return all;
  }
  /// Cut to so many columns.
  void cut(std::size_t width);

  bool selected = false; ///< the whole line stands out

private:
  std::vector<Span> spans_;
};

struct ScreenSize {
  std::size_t rows = 24;
  std::size_t columns = 80;

  friend bool operator==(const ScreenSize&, const ScreenSize&) = default;
};

struct Screen {
  std::vector<ScreenLine> lines; ///< as many as there are rows, none wider than the screen
  /// Row and column of the cursor while something is typed.
  std::optional<std::pair<std::size_t, std::size_t>> cursor;

  /// Without styles and without blanks at the ends of lines.
  [[nodiscard]] std::string text() const;
};

} // namespace leakbpf
