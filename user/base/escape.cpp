// SPDX-License-Identifier: Apache-2.0
#include "base/escape.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <utf8proc.h>

namespace leakbpf {

namespace {

bool is_shown(const utf8proc_property_t& property) {
  switch (property.category) {
  case UTF8PROC_CATEGORY_CC: // controls
  case UTF8PROC_CATEGORY_CF: // format characters: directions, joiners, tags, annotations
  case UTF8PROC_CATEGORY_CS:
  case UTF8PROC_CATEGORY_CO: // what they look like is a private agreement
  case UTF8PROC_CATEGORY_CN:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
    return false;
  default:
    return property.ignorable == 0; // else shown as nothing: fillers, variation selectors
  }
}

void append_escaped(std::string& out, std::string_view bytes) {
  for (const char byte : bytes)
    fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(byte));
}

/// The style that `text` begins with; empty when it begins with none.
std::string_view first_style(std::string_view text) {
  constexpr std::array styles{style_bold, style_dim, style_alarm, style_end};
  const auto found = std::find_if(styles.begin(), styles.end(), [text](std::string_view style) {
    return text.starts_with(style);
  });
  return found == styles.end() ? std::string_view() : *found;
}

void append_character(std::string& out, std::string_view& rest) {
  const Character character = first_character(rest);
  if (character.printable)
    out += rest.substr(0, character.bytes);
  else
    append_escaped(out, rest.substr(0, character.bytes));
  rest.remove_prefix(character.bytes);
}

} // namespace

Character first_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80)
    return {lead, 1, 1, lead >= 0x20 && lead != 0x7f};
  constexpr std::size_t longest = 4;
  utf8proc_int32_t code = 0;
  const utf8proc_ssize_t bytes =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                       static_cast<utf8proc_ssize_t>(std::min(text.size(), longest)), &code);
  if (bytes <= 0)
    return {lead, 1, 1, false};
  const utf8proc_property_t& property = *utf8proc_get_property(code);
  return {static_cast<std::uint32_t>(code), static_cast<std::size_t>(bytes), property.charwidth,
          is_shown(property)};
}

std::string escape_controls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty())
    append_character(out, text);
  return out;
}

std::size_t text_columns(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Character character = first_character(text);
    columns += character.columns;
    text.remove_prefix(character.bytes);
  }
  return columns;
}

std::string_view fit_columns(std::string_view text, std::size_t columns) {
  std::size_t end = 0;
  std::size_t used = 0;
  while (end < text.size()) {
    const Character character = first_character(text.substr(end));
    used += character.columns;
    if (used > columns)
      break;
    end += character.bytes;
  }
  return text.substr(0, end);
}

std::string pad_columns(std::string_view text, std::size_t columns) {
  std::string padded(text);
  padded.append(columns - std::min(columns, text_columns(text)), ' ');
  return padded;
}

std::string terminal_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::string_view style = first_style(text);
    if (!style.empty() || text.front() == '\n') {
      const std::size_t bytes = std::max<std::size_t>(style.size(), 1);
      out += text.substr(0, bytes);
      text.remove_prefix(bytes);
    } else {
      append_character(out, text);
    }
  }
  return out;
}

} // namespace leakbpf
