// SPDX-License-Identifier: Apache-2.0
// Any bytes as text of a target for the terminal: what is shown is printable UTF-8 on as many
// columns as it may have, and does not change when it goes through again.
#include "base/escape.h"

#include <cstdlib>
#include <string>
#include <string_view>

using namespace leakbpf;

namespace {

void require(bool holds) {
  if (!holds)
    std::abort();
}

bool is_printable(std::string_view text) {
  while (!text.empty()) {
    const Character first = first_character(text);
    if (!first.printable)
      return false;
    text.remove_prefix(first.bytes);
  }
  return true;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  const std::size_t columns = data[0];
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1); // NOLINT
  const std::string escaped = escape_controls(text);
  require(is_printable(escaped));
  require(escape_controls(escaped) == escaped);
  require(terminal_text(escaped) == escaped);
  const std::string_view cut = fit_columns(escaped, columns);
  require(text_columns(cut) <= columns && is_printable(cut));
  require(text_columns(pad_columns(cut, columns)) == columns);
  const std::string shown = terminal_text(text);
  require(terminal_text(shown) == shown);
  return 0;
}
