// SPDX-License-Identifier: Apache-2.0
// What the person at the terminal has chosen to see.
#pragma once

#include "core/grouping.h"
#include "core/ranking.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace leakbpf {

enum class Tab : std::uint8_t { leaks, stacks, containers, processes };
inline constexpr std::size_t tab_count = 4;

/// What fills the screen below the header.
enum class Pane : std::uint8_t { table, row, help };

/// What is asked for at the bottom line.
enum class Question : std::uint8_t { none, search, filter, min_age, file };

struct ViewState {
  Tab tab = Tab::leaks;
  Pane pane = Pane::table;
  SortOrder sort = SortOrder::growth;
  GroupBy group_by = GroupBy::stack; ///< stacks of one culprit are joined
  std::string filter;                ///< a regular expression that compiles; empty: none
  std::string search;
  double min_age_seconds = 0;
  double interval_seconds = 1;
  bool paused = false;

  std::size_t selected = 0; ///< row of the table
  std::string selected_key; ///< what that row is of; empty: the first, whatever it is
  std::size_t top = 0;      ///< the first row on the screen
  std::size_t line = 0;     ///< of the open row: the frame that is looked at
  std::size_t detail_top = 0;
  bool shows_beginning = true; ///< of the open row, wherever the frame is

  Question question = Question::none;
  std::string typed;
};

} // namespace leakbpf
