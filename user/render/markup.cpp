// SPDX-License-Identifier: Apache-2.0
#include "render/markup.h"

#include "base/escape.h"

namespace leakbpf {

std::string clean_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Character character = first_character(text);
    const std::string_view bytes = text.substr(0, character.bytes);
    if (character.is_utf8())
      out += character.printable ? std::string(bytes) : escape_controls(bytes);
    else
      out += "\xef\xbf\xbd"; // U+FFFD
    text.remove_prefix(character.bytes);
  }
  return out;
}

std::string cut_text(std::string_view text, std::size_t columns) {
  if (text.size() <= columns || text_columns(text) <= columns)
    return std::string(text);
  return columns == 0 ? "" : std::string(fit_columns(text, columns - 1)) + "\u2026";
}

std::string escape_markup(std::string_view text) {
  std::string out;
  const std::string clean = clean_text(text);
  out.reserve(clean.size());
  for (const char c : clean) {
    switch (c) {
    case '&':
      out += "&amp;";
      break;
    case '<':
      out += "&lt;";
      break;
    case '>':
      out += "&gt;";
      break;
    case '"':
      out += "&quot;";
      break;
    case '\'':
      out += "&#39;";
      break;
    default:
      out += c;
    }
  }
  return out;
}

std::string escape_script_json(std::string_view json) {
  std::string out;
  out.reserve(json.size());
  for (const char c : json) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

} // namespace leakbpf
