// SPDX-License-Identifier: Apache-2.0
// What no output may hold, told without the code that is tested; and a text that holds all of it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace leakbpf {

/// A name that writes over the screen, turns its direction, or cannot be seen.
inline std::string hostile_text() {
  std::string text = "evil\x1b[2J\x1b[31m\a\b\r\x7f\x9b"
                     "2J\xff\xfe\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\xe2\x82";
  for (const char* sneaky :
       {"\u0085", "\u009b", "\u00ad", "\u061c",     "\u200b",    "\u200c", "\u200d", "\u200e",
        "\u200f", "\u2028", "\u2029", "\u202a",     "\u202b",    "\u202c", "\u202d", "\u202e",
        "\u2060", "\u2064", "\u2066", "\u2067",     "\u2068",    "\u2069", "\u3164", "\ufe0f",
        "\ufeff", "\ufff9", "\ufffb", "\U000e0001", "\U000e0041"})
    text += std::string(sneaky) + "x";
  return text + "\ngroup\n";
}

/// Bytes of the well-formed character that `text` begins with, and its number.
inline std::optional<std::pair<std::size_t, std::uint32_t>> decode(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80)
    return std::pair{std::size_t{1}, std::uint32_t{byte(0)}};
  const std::size_t size = byte(0) >= 0xf0 ? 4 : byte(0) >= 0xe0 ? 3 : 2;
  if (byte(0) < 0xc2 || byte(0) > 0xf4 || text.size() < size)
    return std::nullopt;
  std::uint32_t code = byte(0) & (0x7fU >> size);
  for (std::size_t i = 1; i < size; i++) {
    if ((byte(i) & 0xc0) != 0x80)
      return std::nullopt;
    code = code << 6 | (byte(i) & 0x3fU);
  }
  constexpr std::array<std::uint32_t, 5> least{0, 0, 0x80, 0x800, 0x10000};
  if (code < least.at(size) || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff)
    return std::nullopt;
  return std::pair{size, code};
}

inline void append_utf8(std::string& text, std::uint32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
    return;
  }
  const std::size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  const auto lead = static_cast<std::uint32_t>(0xf00U >> size) & 0xff;
  text += static_cast<char>(lead | code >> (6 * (size - 1)));
  for (std::size_t i = size - 1; i-- > 0;)
    text += static_cast<char>(0x80 | (code >> (6 * i) & 0x3f));
}

inline bool is_dangerous(std::uint32_t code) {
  const auto in = [code](std::uint32_t first, std::uint32_t last) {
    return first <= code && code <= last;
  };
  return in(0, 9) || in(11, 0x1f) || in(0x7f, 0x9f) || code == 0xad || code == 0x61c ||
         in(0x200b, 0x200f) || in(0x2028, 0x202e) || in(0x2060, 0x206f) || code == 0x3164 ||
         in(0xfe00, 0xfe0f) || code == 0xfeff || in(0xfff9, 0xfffb) || in(0xe0000, 0xe0fff);
}

/// Where `text` does harm, with what is around it; empty: nowhere. `styles`: colours of a table are
/// none.
inline std::string harm_in(std::string_view text, bool styles = false) {
  for (std::size_t i = 0; i < text.size();) {
    const std::string_view rest = text.substr(i);
    if (styles && rest.front() == '\x1b') {
      const std::size_t end = rest.find('m');
      if (end != std::string_view::npos && end <= 4 && rest.starts_with("\x1b[") &&
          rest.substr(2, end - 2).find_first_not_of("0123456789") == std::string_view::npos) {
        i += end + 1;
        continue;
      }
    }
    const auto character = decode(rest);
    if (!character || is_dangerous(character->second)) {
      std::string where = "byte " + std::to_string(i) + ":";
      for (const char byte : text.substr(i < 30 ? 0 : i - 30, 60))
        where += byte >= 0x20 && byte < 0x7f ? std::string(1, byte)
                                             : "<" + std::to_string(byte & 0xff) + ">";
      return where;
    }
    i += character->first;
  }
  return "";
}

} // namespace leakbpf
