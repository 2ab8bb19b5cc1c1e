// SPDX-License-Identifier: Apache-2.0
// Lines of text for a terminal or a file: cut to its width, coloured when that is wanted.
#pragma once

#include "base/escape.h"

#include <string>
#include <string_view>

namespace leakbpf {

struct TableStyle {
  bool stacks = false;   ///< every frame under its row, not only the culprit
  bool color = false;    ///< ANSI escapes
  std::size_t width = 0; ///< columns to cut lines to; 0: no limit
  bool filtered = false; ///< only rows that match a pattern are there
};

class Painter {
public:
  explicit Painter(const TableStyle& style) : style_(style) {}

  void line(const std::string& text) { out_ += fit(text) + "\n"; }
  void bold_line(const std::string& text) { styled_line(style_bold, text); }
  void dim_line(const std::string& text) { styled_line(style_dim, text); }
  void alarm_line(const std::string& text) { styled_line(style_alarm, text); }
  /// Numbers, and the text that they are about: under them where beside them is no room for it.
  void row(const std::string& numbers, const std::string& text, bool alarm) {
    constexpr std::size_t least_columns = 40;
    const bool narrow = style_.width != 0 && numbers.size() + least_columns > style_.width;
    const std::string first =
        narrow ? numbers.substr(0, numbers.find_last_not_of(' ') + 1) : numbers + text;
    alarm ? alarm_line(first) : line(first);
    if (narrow)
      alarm ? alarm_line("      " + text) : line("      " + text);
  }
  [[nodiscard]] std::string take() { return terminal_text(out_); }

private:
  void styled_line(std::string_view style, const std::string& text) {
    if (!style_.color)
      return line(text);
    out_ += style;
    out_ += fit(text);
    out_ += style_end;
    out_ += '\n';
  }
  /// Makes harmless what names may hold, and cuts to the width.
  [[nodiscard]] std::string fit(const std::string& line) const {
    const std::string text = escape_controls(line);
    return style_.width == 0 ? text : std::string(fit_columns(text, style_.width));
  }

  TableStyle style_;
  std::string out_;
};

} // namespace leakbpf
