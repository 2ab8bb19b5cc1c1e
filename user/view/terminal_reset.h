// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace leakbpf {

/// What puts a terminal of the type TERM back: the colours, the cursor, the keys, the screen that
/// was there before. Empty where nothing is known of it.
[[nodiscard]] std::string terminal_reset();

/// A terminal of the type TERM can have its cursor put anywhere.
[[nodiscard]] bool has_full_screen();

} // namespace leakbpf
