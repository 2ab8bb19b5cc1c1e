// SPDX-License-Identifier: Apache-2.0
#include "render/escape.h"

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// Bytes of the control character that `text` begins with; 0 when it begins with another one.
std::size_t control_size(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x20 || byte(0) == 0x7f)
    return 1;
  return byte(0) == 0xc2 && text.size() > 1 && byte(1) >= 0x80 && byte(1) < 0xa0 ? 2 : 0;
}

} // namespace

std::string escape_controls(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    std::size_t control = control_size(text.substr(i));
    if (control == 0)
      out += text[i++];
    for (; control > 0; control--)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[i++]));
  }
  return out;
}

} // namespace leakbpf
