// SPDX-License-Identifier: Apache-2.0
// Which keys there are.
#include "view/view_paint.h"

#include <array>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

using KeyText = std::pair<std::string_view, std::string_view>;

constexpr std::array<KeyText, 9> moving{{
    {"up down", "choose a row"},
    {"PgUp PgDn", "a page up or down"},
    {"Home End", "the first or the last row"},
    {"Enter", "open the row: its stack, source lines, history"},
    {"Esc", "close it again"},
    {"left right", "in an open row: the row before, the next one"},
    {"1 2 3 4 Tab", "leaks, stacks, containers, processes"},
    {"/ n N", "search in the rows, next match, match before"},
    {"q", "quit"},
}};
constexpr std::array<KeyText, 4> arranging{{
    {"s", "sort by growth, bytes, count or age"},
    {"b", "group by stack, line, function, handler, module or process"},
    {"f", "show only rows with a matching function, file or module"},
    {"a", "show only rows with a block at least so many seconds old"},
}};
constexpr std::array<KeyText, 4> following{{
    {"m", "mark this moment: show what grew since; again: forget it"},
    {"p or Space", "pause the screen (tracing goes on)"},
    {"+ -", "refresh less or more often"},
    {"w", "write a snapshot: .json, .html, .svg, .pb.gz, .folded"},
}};

template <std::size_t Size>
void add(std::vector<ScreenLine>& lines, std::string_view title,
         const std::array<KeyText, Size>& keys) {
  lines.emplace_back(Style::bold, fmt::format(" {}", title));
  for (const auto& [key, text] : keys) {
    ScreenLine line(Style::key, fmt::format("   {:<12}", key));
    line.add(" ").add(text);
    lines.push_back(std::move(line));
  }
}

void add_key(ScreenLine& line, std::string_view key, std::string_view what) {
  line.add(Style::key, fmt::format(" {}", key)).add(Style::dim, fmt::format(" {}", what));
}

} // namespace

std::vector<ScreenLine> paint_help(bool live) {
  std::vector<ScreenLine> lines;
  add(lines, "Looking around", moving);
  add(lines, "What is shown", arranging);
  if (live)
    add(lines, "While it runs", following);
  lines.emplace_back(Style::bold, " What it means");
  lines.emplace_back("   growth/min    bytes a minute, of the part of the run after a warm-up");
  lines.emplace_back("   outstanding   allocated since leakbpf attached, and not freed");
  lines.emplace_back("   ~             estimated; the open row says how well");
  lines.emplace_back("   held          a Python container that grows, read without a probe");
  return lines;
}

ScreenLine paint_keys(const PaintContext& context) {
  ScreenLine line;
  if (context.state.pane == Pane::help) {
    add_key(line, "Esc", "back");
    add_key(line, "q", "quit");
    return line;
  }
  if (context.state.pane == Pane::row) {
    add_key(line, "Esc", "back");
    add_key(line, "up/down", "frame");
    add_key(line, "left/right", "row");
  } else {
    add_key(line, "Enter", "open");
    add_key(line, "s", "sort");
    add_key(line, "b", "group");
    add_key(line, "/", "search");
    add_key(line, "f", "filter");
  }
  if (context.live) {
    add_key(line, "m", context.data.has_mark() ? "unmark" : "mark");
    add_key(line, "p", context.state.paused ? "go on" : "pause");
  }
  if (context.live)
    add_key(line, "w", "write");
  add_key(line, "?", "help");
  add_key(line, "q", "quit");
  return line;
}

} // namespace leakbpf
