// SPDX-License-Identifier: Apache-2.0
#include "view/terminal.h"

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdio>
#include <cstring>
#include <cwchar>

#include <langinfo.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

// NOLINTBEGIN: the macros of ncurses
#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <ncurses.h>
// NOLINTEND

namespace leakbpf {

namespace {

constexpr int escape_delay_ms = 25; ///< Esc is told from the beginning of another key by time
constexpr std::size_t style_count = static_cast<std::size_t>(Style::chosen) + 1;

/// A color of 256, one of 8 where there are no more, and what else tells the style apart.
struct Look {
  short rich = -1;
  short plain = -1;
  attr_t with = A_NORMAL;
};

constexpr std::array<Look, style_count> looks{{
    {-1, -1, A_NORMAL},             // plain
    {-1, -1, A_BOLD},               // bold
    {245, -1, A_DIM},               // dim
    {203, COLOR_RED, A_BOLD},       // alarm
    {221, COLOR_YELLOW, A_NORMAL},  // warning
    {114, COLOR_GREEN, A_NORMAL},   // good
    {117, COLOR_CYAN, A_NORMAL},    // python
    {176, COLOR_MAGENTA, A_NORMAL}, // held
    {-1, -1, A_BOLD},               // key
    {-1, -1, A_REVERSE},            // bar
    {-1, -1, A_REVERSE | A_BOLD},   // chosen
}};

/// Ctrl-Z would stop us with probes in the target that nobody reads.
void keep_running() {
  termios modes{};
  if (tcgetattr(STDIN_FILENO, &modes) != 0)
    return;
  modes.c_cc[VSUSP] = _POSIX_VDISABLE;
  modes.c_cc[VQUIT] = _POSIX_VDISABLE;
  tcsetattr(STDIN_FILENO, TCSANOW, &modes);
}

std::optional<KeyCode> code_of(wint_t key) {
  switch (key) {
  case KEY_UP:
    return KeyCode::up;
  case KEY_DOWN:
    return KeyCode::down;
  case KEY_LEFT:
    return KeyCode::left;
  case KEY_RIGHT:
    return KeyCode::right;
  case KEY_PPAGE:
    return KeyCode::page_up;
  case KEY_NPAGE:
    return KeyCode::page_down;
  case KEY_HOME:
    return KeyCode::home;
  case KEY_END:
    return KeyCode::end;
  case KEY_ENTER:
    return KeyCode::enter;
  case KEY_BACKSPACE:
    return KeyCode::backspace;
  case KEY_BTAB:
    return KeyCode::back_tab;
  default:
    return std::nullopt;
  }
}

std::optional<Key> key_of_character(wint_t character) {
  switch (character) {
  case '\r':
  case '\n':
    return Key{KeyCode::enter};
  case '\t':
    return Key{KeyCode::tab};
  case 0x1b:
    return Key{KeyCode::escape};
  case 0x7f:
  case '\b':
    return Key{KeyCode::backspace};
  default:
    return Key{KeyCode::character, static_cast<char32_t>(character)};
  }
}

} // namespace

struct Terminal::Curses {
  SCREEN* screen = nullptr;
  std::array<attr_t, style_count> attributes{};
  std::array<short, style_count> pairs{};

  void choose_looks(bool colors) {
    const bool has = colors && has_colors() && start_color() != ERR;
    if (has)
      use_default_colors();
    const bool rich = has && COLORS >= 256;
    for (std::size_t i = 0; i < style_count; i++) {
      const Look& look = looks.at(i);
      const short color = rich ? look.rich : look.plain;
      // Where a color is, dimming it would make it hard to read.
      attributes.at(i) = rich && color >= 0 ? look.with & ~A_DIM : look.with;
      if (!has || color < 0)
        continue;
      const auto pair = static_cast<short>(i + 1);
      if (init_pair(pair, color, -1) != ERR)
        pairs.at(i) = pair;
    }
  }
};

Terminal::Terminal(std::unique_ptr<Curses> curses) : curses_(std::move(curses)) {
  ascii_ = std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0;
}

std::unique_ptr<Terminal> Terminal::open(bool colors) {
  std::setlocale(LC_CTYPE, "");
  auto curses = std::make_unique<Curses>();
  curses->screen = newterm(nullptr, stdout, stdin);
  if (!curses->screen)
    return nullptr;
  set_term(curses->screen);
  set_escdelay(escape_delay_ms);
  cbreak();
  noecho();
  nonl();
  keep_running();
  def_prog_mode();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  scrollok(stdscr, FALSE);
  curs_set(0);
  curses->choose_looks(colors);
  return std::unique_ptr<Terminal>(new Terminal(std::move(curses)));
}

Terminal::~Terminal() {
  curs_set(1);
  endwin();
  delscreen(curses_->screen);
}

ScreenSize Terminal::size() const {
  return {static_cast<std::size_t>(std::max(getmaxy(stdscr), 1)),
          static_cast<std::size_t>(std::max(getmaxx(stdscr), 1))};
}

void Terminal::fit() {
  winsize now{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) == 0 && now.ws_row > 0 && now.ws_col > 0)
    resizeterm(now.ws_row, now.ws_col);
}

void Terminal::redraw() {
  clearok(curscr, TRUE);
}

/// Text of UTF-8, or what ASCII has for it.
void Terminal::write(const std::string& text) {
  std::wstring wide;
  for (std::string_view rest = text; !rest.empty();) {
    const Character character = first_character(rest);
    const bool shown = character.code < 0x80 || (!ascii_ && character.is_utf8());
    wide += shown ? static_cast<wchar_t>(character.code) : L'?';
    rest.remove_prefix(character.bytes);
  }
  addnwstr(wide.c_str(), static_cast<int>(wide.size()));
}

void Terminal::draw_line(int row, const ScreenLine& line) {
  const attr_t extra = line.selected ? A_REVERSE : A_NORMAL;
  ::move(row, 0);
  for (const Span& span : line.spans()) {
    const auto style = static_cast<std::size_t>(span.style);
    attr_set(curses_->attributes.at(style) | extra,
             line.selected ? short{0} : curses_->pairs.at(style), nullptr);
    write(span.text);
  }
  attr_set(extra, 0, nullptr);
  if (line.selected)
    for (std::size_t at = line.columns(); at < size().columns; at++)
      addch(' ');
  attr_set(A_NORMAL, 0, nullptr);
}

void Terminal::draw(const Screen& screen) {
  erase();
  const std::size_t rows = std::min(screen.lines.size(), size().rows);
  for (std::size_t row = 0; row < rows; row++)
    draw_line(static_cast<int>(row), screen.lines[row]);
  curs_set(screen.cursor ? 1 : 0);
  if (screen.cursor)
    ::move(static_cast<int>(screen.cursor->first), static_cast<int>(screen.cursor->second));
  refresh();
}

std::optional<Key> Terminal::read_key() {
  for (;;) {
    wint_t key = 0;
    const int kind = get_wch(&key);
    if (kind == ERR)
      return std::nullopt;
    if (kind == KEY_CODE_YES) {
      if (const auto code = code_of(key))
        return Key{*code};
      continue;
    }
    constexpr wint_t redraw_key = 0x0c; // Ctrl-L
    if (key != redraw_key)
      return key_of_character(key);
    redraw();
  }
}

} // namespace leakbpf
