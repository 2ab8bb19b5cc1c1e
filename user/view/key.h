// SPDX-License-Identifier: Apache-2.0
// A key that was pressed.
#pragma once

#include <cstdint>

namespace leakbpf {

enum class KeyCode : std::uint8_t {
  character,
  up,
  down,
  left,
  right,
  page_up,
  page_down,
  home,
  end,
  enter,
  escape,
  backspace,
  tab,
  back_tab,
};

struct Key {
  KeyCode code = KeyCode::character;
  char32_t character = 0; ///< of KeyCode::character

  [[nodiscard]] bool is(char32_t wanted) const {
    return code == KeyCode::character && character == wanted;
  }
};

} // namespace leakbpf
