// SPDX-License-Identifier: Apache-2.0
#include "render/markup.h"

#include "render/escape.h"

#include <cstdint>

namespace leakbpf {

namespace {

struct Character {
  std::uint32_t code = 0;
  std::size_t size = 0; ///< bytes; 0: the text begins with no valid character
};

/// The character that `text` begins with. The Unicode Standard's table 3-7 tells which sequences
/// are well-formed: none is longer than it has to be, none is a surrogate or above U+10FFFF.
Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80)
    return {lead, 1};
  const std::size_t size = lead >= 0xf0 ? 4U : lead >= 0xe0 ? 3U : 2U;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < size)
    return {};
  std::uint32_t code = lead & (0x7fU >> size);
  for (std::size_t i = 1; i < size; i++) {
    if ((byte(i) & 0xc0) != 0x80)
      return {};
    code = (code << 6) | (byte(i) & 0x3fU);
  }
  constexpr std::uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < least[size] || surrogate || code > 0x10ffff ? Character{} : Character{code, size};
}

/// Characters that XML 1.0 does not allow, and those that turn the direction of the text around
/// them, with which a name could pass for another one.
bool is_replaced(std::uint32_t code) {
  return code == 0xfffe || code == 0xffff || (code >= 0x202a && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069);
}

bool is_wide(std::uint32_t code) {
  return (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xd7a3) ||
         (code >= 0xf900 && code <= 0xfaff) || (code >= 0xfe30 && code <= 0xfe6f) ||
         (code >= 0xff00 && code <= 0xff60) || (code >= 0x1f300 && code <= 0x3fffd);
}

} // namespace

std::string clean_text(std::string_view text) {
  const std::string visible = escape_controls(text);
  const std::string_view rest = visible;
  std::string out;
  out.reserve(visible.size());
  for (std::size_t i = 0; i < rest.size();) {
    const Character character = first_character(rest.substr(i));
    if (character.size == 0 || is_replaced(character.code))
      out += "\xef\xbf\xbd"; // U+FFFD
    else
      out += rest.substr(i, character.size);
    i += character.size == 0 ? 1 : character.size;
  }
  return out;
}

std::size_t text_columns(std::string_view text) {
  std::size_t columns = 0;
  for (std::size_t i = 0; i < text.size();) {
    const Character character = first_character(text.substr(i));
    columns += is_wide(character.code) ? 2 : 1;
    i += character.size == 0 ? 1 : character.size;
  }
  return columns;
}

std::string cut_text(std::string_view text, std::size_t columns) {
  // No character has fewer bytes than columns.
  if (text.size() <= columns || text_columns(text) <= columns)
    return std::string(text);
  if (columns == 0)
    return "";
  std::size_t end = 0;
  for (std::size_t used = 0; end < text.size();) {
    const Character character = first_character(text.substr(end));
    used += is_wide(character.code) ? 2 : 1;
    if (used >= columns)
      break;
    end += character.size == 0 ? 1 : character.size;
  }
  return std::string(text.substr(0, end)) + "…";
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
