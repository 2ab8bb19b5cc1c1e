// SPDX-License-Identifier: Apache-2.0
// The full-screen view: reports and keys go in, screens come out. It does no input and no output,
// and knows no clock.
#pragma once

#include "view/key.h"
#include "view/screen.h"
#include "view/view_data.h"
#include "view/view_paint.h"
#include "view/view_state.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace leakbpf {

/// What whoever shows the view is to do.
struct ViewCommand {
  enum class What : std::uint8_t {
    quit,
    write,        ///< all there is, into the file `text`
    set_interval, ///< `seconds` between reports
    set_sort      ///< of the rows in reports: `sort`
  };
  What what = What::quit;
  std::string text{};
  double seconds = 0;
  SortOrder sort = SortOrder::growth;
};

/// One method for what each group of keys does.
class View {
public:
  struct Setting {
    ViewState state; ///< as it begins
    bool ascii = false;
    bool live = true; ///< else it is a file that is shown
    SourceOf source;
    std::string file; ///< that `w` proposes
  };

  explicit View(Setting setting);

  /// Shows by how much each row differs from a run before; `name` is its file.
  void compare_with(std::shared_ptr<const Report> before, std::string name) {
    data_.compare_with(std::move(before), std::move(name));
  }
  /// A report of stacks. While the screen is paused it is kept for later.
  void put(std::shared_ptr<const Report> report);
  /// What is to be said to the person; it stands in the last line until the next key.
  void tell(std::string message);
  /// Answers a key.
  [[nodiscard]] std::optional<ViewCommand> press(const Key& key);
  /// Of any size from 40 columns and 10 rows on; less is cut off.
  [[nodiscard]] Screen draw(ScreenSize size);

private:
  [[nodiscard]] std::optional<ViewCommand> press_in_table(const Key& key);
  [[nodiscard]] std::optional<ViewCommand> press_in_row(const Key& key);
  [[nodiscard]] std::optional<ViewCommand> press_anywhere(const Key& key);
  [[nodiscard]] std::optional<ViewCommand> press_in_question(const Key& key);
  [[nodiscard]] std::optional<ViewCommand> answer();
  [[nodiscard]] std::optional<ViewCommand> change_interval(double factor);
  [[nodiscard]] std::optional<ViewCommand> press_while_tracing(char32_t key);
  void ask_for(char32_t key);
  void ask(Question question, std::string proposal);
  void change_grouping();
  void set_filter();
  void set_min_age();
  void show_tab(Tab tab);
  void open_row();
  void select(std::size_t row);
  [[nodiscard]] std::optional<std::ptrdiff_t> step_of(KeyCode code) const;
  void move(std::ptrdiff_t rows);
  void move_line(std::ptrdiff_t lines);
  void find_next(bool forward);
  [[nodiscard]] bool row_matches(std::size_t row) const;
  [[nodiscard]] std::optional<ViewCommand> change_sort();
  void toggle_pause();
  void arrange();
  void keep_selected_row();
  [[nodiscard]] PaintContext context() const;
  [[nodiscard]] std::vector<ScreenLine> body(std::size_t lines);
  [[nodiscard]] std::vector<ScreenLine> scrolled_row(std::size_t lines);
  void scroll_table(std::size_t lines);
  [[nodiscard]] ScreenLine bottom_line(Screen& screen) const;

  Setting setting_;
  ViewState state_;
  ViewData data_;
  ScreenSize size_;
  std::size_t page_ = 10;                 ///< rows of the table that the last screen had room for
  std::shared_ptr<const Report> waiting_; ///< while paused
  std::string message_;
};

} // namespace leakbpf
