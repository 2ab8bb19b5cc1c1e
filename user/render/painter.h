// SPDX-License-Identifier: Apache-2.0
// Lines of text for a terminal or a file: cut to its width, coloured when that is wanted.
#pragma once

#include "render/escape.h"

#include <string>

namespace leakbpf {

struct TableStyle {
  bool stacks = false;   ///< every frame under its row, not only the culprit
  bool color = false;    ///< ANSI escapes
  std::size_t width = 0; ///< columns to cut lines to; 0: no limit
};

class Painter {
public:
  explicit Painter(const TableStyle& style) : style_(style) {}

  void line(const std::string& text) { out_ += fit(text) + "\n"; }
  void bold_line(const std::string& text) { escaped_line("\x1b[1m", text); }
  void dim_line(const std::string& text) { escaped_line("\x1b[2m", text); }
  void alarm_line(const std::string& text) { escaped_line("\x1b[33m", text); }
  [[nodiscard]] std::string take() { return std::move(out_); }

private:
  void escaped_line(const char* escape, const std::string& text) {
    out_ += style_.color ? escape + fit(text) + "\x1b[0m\n" : fit(text) + "\n";
  }
  /// Makes harmless what names may hold, and cuts to the width, never inside a UTF-8 character.
  [[nodiscard]] std::string fit(const std::string& line) const {
    std::string text = escape_controls(line);
    if (style_.width == 0 || text.size() <= style_.width)
      return text;
    std::size_t end = style_.width;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
      end--;
    text.resize(end);
    return text;
  }

  TableStyle style_;
  std::string out_;
};

} // namespace leakbpf
