// SPDX-License-Identifier: Apache-2.0
// What the page of a report and that of a diff are made of. Takes any text and escapes it.
#pragma once

#include "core/report.h"
#include "render/json_frame.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace leakbpf {

constexpr std::size_t most_page_rows = 1000;   ///< of the table
constexpr std::size_t most_page_targets = 12;  ///< with a card each
constexpr std::size_t most_page_frames = 1000; ///< of one stack

/// The whole page. `body` is HTML; `data` is what page.js reads.
[[nodiscard]] std::string html_page(const std::string& title, const std::string& body,
                                    const OutputJson& data);

/// The page's heading: the tool's name, the title and a line below.
[[nodiscard]] std::string html_heading(const std::string& title, const std::string& line);

/// A word on a coloured ground: a severity, or what became of a row of a diff.
[[nodiscard]] std::string html_badge(std::string_view word);

/// A figure with its name and, in small, what there is to add.
struct Figure {
  std::string name;
  std::string value;
  std::string addition;
};
[[nodiscard]] std::string html_figures(const std::vector<Figure>& figures);

/// A list of sentences; empty without any.
[[nodiscard]] std::string html_list(std::string_view class_name,
                                    const std::vector<std::string>& sentences);

struct Column {
  std::string_view name;
  bool number = true; ///< to the right, and sorted by value
};
/// A table whose rows page.js sorts, filters and opens; `rows` is HTML.
[[nodiscard]] std::string html_table(const std::vector<Column>& columns, const std::string& rows);

/// A cell with a number: how it reads and what it is sorted by; unknown sorts last.
[[nodiscard]] std::string html_number(const std::string& text, std::optional<double> value);
/// The cell of the frame that a row is named by, with the text of its line.
[[nodiscard]] std::string html_culprit(const Frames& frames, std::size_t culprit,
                                       const std::string& source);

/// "-" when unknown.
[[nodiscard]] std::string format_known_percent(const std::optional<double>& percent);

} // namespace leakbpf
