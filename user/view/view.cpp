// SPDX-License-Identifier: Apache-2.0
#include "view/view.h"

#include "base/text.h"
#include "core/culprit.h"
#include "core/units.h"
#include "render/describe.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr double least_interval = 0.25;
constexpr double longest_interval = 64;
constexpr std::size_t most_typed = 200;
constexpr std::size_t least_table = 3; ///< lines of it, however small the screen is

template <class Choice> Choice next_of(Choice now, std::size_t count, std::size_t step = 1) {
  return static_cast<Choice>((static_cast<std::size_t>(now) + step) % count);
}

std::string_view prompt_of(Question question) {
  switch (question) {
  case Question::search:
    return "search: ";
  case Question::filter:
    return "filter (regular expression, empty: none): ";
  case Question::min_age:
    return "only rows with a block older than (seconds, empty: all): ";
  default:
    return "write to (.json .html .svg .pb.gz .folded): ";
  }
}

void drop_last_character(std::string& text) {
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80)
    text.pop_back();
  if (!text.empty())
    text.pop_back();
}

} // namespace

View::View(Setting setting) : setting_(std::move(setting)), state_(setting_.state) {}

PaintContext View::context() const {
  return {data_, state_, size_, setting_.ascii, setting_.live};
}

void View::put(std::shared_ptr<const Report> report) {
  if (state_.paused) {
    waiting_ = std::move(report);
    return;
  }
  data_.put(std::move(report));
  arrange();
}

void View::tell(std::string message) {
  message_ = std::move(message);
}

void View::arrange() {
  data_.arrange_for(state_);
  keep_selected_row();
}

/// The row that was chosen may stand elsewhere now. Where none was, the first is shown.
void View::keep_selected_row() {
  const std::vector<ViewRow>& rows = data_.rows();
  if (state_.selected_key.empty()) {
    state_.selected = 0;
    return;
  }
  const auto found = std::find_if(rows.begin(), rows.end(), [this](const ViewRow& row) {
    return data_.key_of(row) == state_.selected_key;
  });
  if (found != rows.end()) {
    state_.selected = static_cast<std::size_t>(found - rows.begin());
    return;
  }
  if (state_.pane == Pane::row) {
    state_.pane = Pane::table;
    message_ = "the open row is not there any more";
  }
  state_.selected = std::min(state_.selected, rows.empty() ? 0 : rows.size() - 1);
}

void View::select(std::size_t row) {
  if (data_.rows().empty())
    return;
  state_.selected = std::min(row, data_.rows().size() - 1);
  state_.selected_key = data_.key_of(data_.rows()[state_.selected]);
}

void View::move(std::ptrdiff_t rows) {
  const auto now = static_cast<std::ptrdiff_t>(state_.selected);
  select(static_cast<std::size_t>(std::max<std::ptrdiff_t>(now + rows, 0)));
}

void View::show_tab(Tab tab) {
  state_.tab = tab;
  state_.pane = Pane::table;
  state_.selected = state_.top = 0;
  state_.selected_key.clear();
  arrange();
}

void View::open_row() {
  if (data_.rows().empty())
    return;
  select(state_.selected);
  const ViewRow& row = data_.rows()[state_.selected];
  state_.pane = Pane::row;
  state_.detail_top = 0;
  state_.shows_beginning = true;
  state_.line = row.of == ViewRow::Of::site ? data_.report().sites[row.index].culprit : 0;
}

void View::move_line(std::ptrdiff_t lines) {
  const auto now = static_cast<std::ptrdiff_t>(state_.line);
  const ViewRow& row = data_.rows()[state_.selected];
  std::size_t count = 1;
  if (row.of == ViewRow::Of::site)
    count = data_.report().sites[row.index].frames.size();
  else if (row.of == ViewRow::Of::container)
    count = data_.report().held[row.index].lines.size();
  const auto last = static_cast<std::ptrdiff_t>(std::max<std::size_t>(count, 1)) - 1;
  state_.shows_beginning = lines < 0 && (now == 0 || state_.shows_beginning);
  if (row.of == ViewRow::Of::process) // nothing to choose: it scrolls
    state_.detail_top = static_cast<std::size_t>(
        std::max<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(state_.detail_top) + lines, 0));
  state_.line = static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(now + lines, 0, last));
}

bool View::row_matches(std::size_t row) const {
  const ViewRow& each = data_.rows()[row];
  const Report& report = data_.report();
  const std::string wanted = in_lower_case(state_.search);
  const auto has = [&](const std::string& text) {
    return in_lower_case(text).find(wanted) != std::string::npos;
  };
  switch (each.of) {
  case ViewRow::Of::container: {
    const HeldReport& held = report.held[each.index];
    return has(held.path) || has(held.type) || has(held.contents) ||
           std::any_of(held.lines.begin(), held.lines.end(),
                       [&](const HeldLine& line) { return has(describe_frame(frame_of(line))); });
  }
  case ViewRow::Of::process:
    return has(report.targets[each.index].comm) || has(report.targets[each.index].command_line) ||
           has(std::to_string(report.targets[each.index].pid));
  default: {
    const Frames& frames = report.sites[each.index].frames;
    return std::any_of(frames.begin(), frames.end(),
                       [&](const Frame& frame) { return has(describe_frame(frame)); });
  }
  }
}

void View::find_next(bool forward) {
  const std::size_t count = data_.rows().size();
  for (std::size_t i = 1; i <= count && !state_.search.empty(); i++) {
    const std::size_t row = (state_.selected + (forward ? i : count - i)) % count;
    if (!row_matches(row))
      continue;
    select(row);
    return;
  }
  message_ = state_.search.empty() ? "nothing to search for: / asks"
                                   : fmt::format("no row has \"{}\"", state_.search);
}

void View::ask(Question question, std::string proposal) {
  state_.question = question;
  state_.typed = std::move(proposal);
}

void View::toggle_pause() {
  state_.paused = !state_.paused;
  if (!state_.paused && waiting_)
    put(std::exchange(waiting_, nullptr));
}

/// The rows that are there are sorted at once; which those are, the next report has anew.
std::optional<ViewCommand> View::change_sort() {
  constexpr std::size_t sort_count = 4;
  state_.sort = next_of(state_.sort, sort_count);
  state_.pane = Pane::table;
  arrange();
  if (!setting_.live)
    return std::nullopt;
  return ViewCommand{.what = ViewCommand::What::set_sort, .sort = state_.sort};
}

std::optional<ViewCommand> View::change_interval(double factor) {
  state_.interval_seconds =
      std::clamp(state_.interval_seconds * factor, least_interval, longest_interval);
  return ViewCommand{.what = ViewCommand::What::set_interval, .seconds = state_.interval_seconds};
}

std::optional<ViewCommand> View::press(const Key& key) {
  message_.clear();
  if (state_.question != Question::none)
    return press_in_question(key);
  if (state_.pane == Pane::help) {
    if (key.is('q'))
      return ViewCommand{};
    state_.pane = Pane::table;
    return std::nullopt;
  }
  return state_.pane == Pane::row ? press_in_row(key) : press_in_table(key);
}

/// By how many rows or frames a key goes; nothing for other keys.
std::optional<std::ptrdiff_t> View::step_of(KeyCode code) const {
  const auto page = static_cast<std::ptrdiff_t>(std::max<std::size_t>(page_, 2) - 1);
  switch (code) {
  case KeyCode::up:
    return -1;
  case KeyCode::down:
    return 1;
  case KeyCode::page_up:
    return -page;
  case KeyCode::page_down:
    return page;
  default:
    return std::nullopt;
  }
}

std::optional<ViewCommand> View::press_in_table(const Key& key) {
  if (const auto step = step_of(key.code))
    move(*step);
  switch (key.code) {
  case KeyCode::home:
    state_.selected_key.clear();
    keep_selected_row();
    break;
  case KeyCode::end:
    select(data_.rows().size());
    break;
  case KeyCode::enter:
    open_row();
    break;
  case KeyCode::tab:
    show_tab(next_of(state_.tab, tab_count));
    break;
  case KeyCode::back_tab:
    show_tab(next_of(state_.tab, tab_count, tab_count - 1));
    break;
  case KeyCode::character:
    return press_anywhere(key);
  default:
    break;
  }
  return std::nullopt;
}

std::optional<ViewCommand> View::press_in_row(const Key& key) {
  if (const auto step = step_of(key.code))
    move_line(*step);
  switch (key.code) {
  case KeyCode::left:
  case KeyCode::right:
    move(key.code == KeyCode::left ? -1 : 1);
    open_row();
    break;
  case KeyCode::escape:
  case KeyCode::enter:
  case KeyCode::backspace:
    state_.pane = Pane::table;
    break;
  case KeyCode::character:
    return press_anywhere(key);
  default:
    break;
  }
  return std::nullopt;
}

std::optional<ViewCommand> View::press_anywhere(const Key& key) {
  switch (key.character) {
  case 'q':
  case 'Q':
    return ViewCommand{};
  case '?':
  case 'h':
    state_.pane = Pane::help;
    return std::nullopt;
  case 'k':
    return press({KeyCode::up});
  case 'j':
    return press({KeyCode::down});
  case '1':
  case '2':
  case '3':
  case '4':
    show_tab(static_cast<Tab>(key.character - '1'));
    return std::nullopt;
  case 'n':
  case 'N':
    find_next(key.character == 'n');
    return std::nullopt;
  case 's':
    return change_sort();
  case 'b':
    change_grouping();
    return std::nullopt;
  default:
    ask_for(key.character);
    return setting_.live ? press_while_tracing(key.character) : std::nullopt;
  }
}

/// Keys that ask something.
void View::ask_for(char32_t key) {
  if (key == '/')
    ask(Question::search, "");
  else if (key == 'f')
    ask(Question::filter, state_.filter);
  else if (key == 'a')
    ask(Question::min_age,
        state_.min_age_seconds > 0 ? fmt::format("{:g}", state_.min_age_seconds) : "");
  else if (key == 'w' && setting_.live)
    ask(Question::file, setting_.file);
}

/// Keys that a stored report has no use for.
std::optional<ViewCommand> View::press_while_tracing(char32_t key) {
  switch (key) {
  case 'm':
    data_.toggle_mark();
    state_.pane = Pane::table;
    arrange();
    return std::nullopt;
  case 'p':
  case ' ':
    toggle_pause();
    return std::nullopt;
  case '+':
  case '=':
    return change_interval(2);
  case '-':
    return change_interval(0.5);
  default:
    return std::nullopt;
  }
}

void View::change_grouping() {
  constexpr std::size_t group_count = 6;
  state_.group_by = next_of(state_.group_by, group_count);
  state_.pane = Pane::table;
  arrange();
}

std::optional<ViewCommand> View::press_in_question(const Key& key) {
  switch (key.code) {
  case KeyCode::escape:
    state_.question = Question::none;
    break;
  case KeyCode::backspace:
    drop_last_character(state_.typed);
    break;
  case KeyCode::enter:
    return answer();
  case KeyCode::character:
    if (key.character == 0x15) // Ctrl-U
      state_.typed.clear();
    else if (key.character >= ' ' && state_.typed.size() < most_typed)
      append_utf8(state_.typed, key.character);
    break;
  default:
    break;
  }
  return std::nullopt;
}

std::optional<ViewCommand> View::answer() {
  const Question question = std::exchange(state_.question, Question::none);
  switch (question) {
  case Question::search:
    state_.search = state_.typed;
    if (!state_.search.empty() && !data_.rows().empty() && !row_matches(state_.selected))
      find_next(true);
    break;
  case Question::filter:
    set_filter();
    break;
  case Question::min_age:
    set_min_age();
    break;
  default:
    if (!state_.typed.empty())
      return ViewCommand{.what = ViewCommand::What::write, .text = state_.typed};
    break;
  }
  return std::nullopt;
}

void View::set_filter() {
  if (const auto compiled = Pattern::compile(state_.typed); !state_.typed.empty() && !compiled) {
    message_ = compiled.error().message;
    return;
  }
  state_.filter = state_.typed;
  arrange();
}

void View::set_min_age() {
  double seconds = 0;
  const char* const end = state_.typed.data() + state_.typed.size();
  if (!state_.typed.empty() && (std::from_chars(state_.typed.data(), end, seconds).ptr != end ||
                                !std::isfinite(seconds) || seconds < 0)) {
    message_ = fmt::format("\"{}\" is no number of seconds", state_.typed);
    return;
  }
  state_.min_age_seconds = seconds;
  arrange();
}

Screen View::draw(ScreenSize size) {
  size_ = size;
  Screen screen;
  if (state_.pane != Pane::help) {
    screen.lines = paint_header(context());
    screen.lines.push_back(paint_tabs(context()));
  }
  const std::size_t above =
      std::min(screen.lines.size(), size.rows > least_table + 1 ? size.rows - least_table - 1 : 0);
  screen.lines.resize(above);
  const std::size_t room = size.rows > above + 1 ? size.rows - above - 1 : 0;
  std::vector<ScreenLine> lines = body(room);
  lines.resize(room);
  std::move(lines.begin(), lines.end(), std::back_inserter(screen.lines));
  screen.lines.push_back(bottom_line(screen));
  screen.lines.resize(size.rows);
  for (ScreenLine& line : screen.lines)
    line.cut(size.columns);
  return screen;
}

std::vector<ScreenLine> View::body(std::size_t lines) {
  if (state_.pane == Pane::help)
    return paint_help(setting_.live);
  if (state_.pane == Pane::row && state_.selected < data_.rows().size())
    return scrolled_row(lines);
  scroll_table(lines);
  return paint_table(context(), lines);
}

/// The chosen row is on the screen; below it there is no room that rows could fill.
void View::scroll_table(std::size_t lines) {
  page_ = lines > 1 ? lines - 1 : 1;
  const std::size_t count = data_.rows().size();
  state_.top = std::min(state_.top, count > page_ ? count - page_ : 0);
  if (state_.selected < state_.top)
    state_.top = state_.selected;
  if (state_.selected >= state_.top + page_)
    state_.top = state_.selected - page_ + 1;
}

std::vector<ScreenLine> View::scrolled_row(std::size_t lines) {
  constexpr std::size_t behind = 4; ///< lines that belong to the chosen one: its source
  std::size_t at = 0;
  std::vector<ScreenLine> all =
      paint_row(context(), data_.rows()[state_.selected], setting_.source, at);
  page_ = std::max<std::size_t>(lines / 2, 1);
  std::size_t& top = state_.detail_top;
  if (state_.shows_beginning)
    top = 0;
  else if (at > 0 && at + behind >= top + lines)
    top = at + behind + 1 - std::min(lines, at + behind + 1);
  else if (at > 0 && at < top)
    top = at;
  top = std::min(top, all.size() > lines ? all.size() - lines : 0);
  all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(top));
  return all;
}

ScreenLine View::bottom_line(Screen& screen) const {
  if (state_.question != Question::none) {
    ScreenLine line(Style::key, prompt_of(state_.question));
    line.add(state_.typed);
    screen.cursor = {screen.lines.size(), std::min(line.columns(), size_.columns - 1)};
    return line;
  }
  if (!message_.empty())
    return {Style::warning, message_};
  return paint_keys(context());
}

} // namespace leakbpf
