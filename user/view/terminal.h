// SPDX-License-Identifier: Apache-2.0
// The terminal on standard input and output, through ncurses: screens are put on it, keys come from
// it. One thread at a time.
#pragma once

#include "view/key.h"
#include "view/screen.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace leakbpf {

class Terminal {
public:
  /// A full screen, as it was before when this goes. Null where the terminal can do no such thing.
  [[nodiscard]] static std::unique_ptr<Terminal> open(bool colors);
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal();

  [[nodiscard]] ScreenSize size() const;
  /// Takes over the size that the terminal has now.
  void fit();
  /// It shows ASCII alone.
  [[nodiscard]] bool ascii() const { return ascii_; }
  /// Puts out what has changed since the last screen.
  void draw(const Screen& screen);
  /// Puts out everything, as something else may have written there.
  void redraw();
  /// The next key; nothing when none was pressed.
  [[nodiscard]] std::optional<Key> read_key();

private:
  struct Curses;
  explicit Terminal(std::unique_ptr<Curses> curses);

  void draw_line(int row, const ScreenLine& line);
  void write(const std::string& text);

  std::unique_ptr<Curses> curses_;
  bool ascii_ = false;
};

} // namespace leakbpf
