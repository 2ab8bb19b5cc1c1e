// SPDX-License-Identifier: Apache-2.0
// Text from foreign files, made harmless for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace leakbpf {

/// Each control character as "\x1b": the ASCII ones, and in UTF-8 also U+0080 to U+009F, of which
/// U+009B does what ESC [ does. Everything else stays as it is, other bytes that are no UTF-8 too.
[[nodiscard]] std::string escape_controls(std::string_view text);

} // namespace leakbpf
