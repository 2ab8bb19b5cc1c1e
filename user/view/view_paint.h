// SPDX-License-Identifier: Apache-2.0
// The parts of the screen. Each is made of values alone.
#pragma once

#include "view/screen.h"
#include "view/view_data.h"
#include "view/view_state.h"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace leakbpf {

/// The text of a line of a source file, as a process sees it; empty where it cannot be read.
using SourceOf =
    std::function<std::string(std::int32_t pid, const std::string& file, std::uint32_t line)>;

struct PaintContext {
  const ViewData& data;
  const ViewState& state;
  ScreenSize size;
  bool ascii = false; ///< the terminal shows no UTF-8
  bool live = true;   ///< else it is a file that is shown
};

/// Processes, verdict, cost, losses: as many lines as the screen has room for.
[[nodiscard]] std::vector<ScreenLine> paint_header(const PaintContext& context);
/// The tabs, and how rows are arranged.
[[nodiscard]] ScreenLine paint_tabs(const PaintContext& context);
/// So many lines of rows with their head. `state.top` says which row is the first.
[[nodiscard]] std::vector<ScreenLine> paint_table(const PaintContext& context, std::size_t lines);
/// All of the row that is open, however many lines that takes; `at`: the line that the chosen frame
/// is in.
[[nodiscard]] std::vector<ScreenLine> paint_row(const PaintContext& context, const ViewRow& row,
                                                const SourceOf& source, std::size_t& at);
[[nodiscard]] std::vector<ScreenLine> paint_help(bool live);
/// The keys that matter now, in one line.
[[nodiscard]] ScreenLine paint_keys(const PaintContext& context);

/// In which style a severity stands.
[[nodiscard]] Style style_of(const std::optional<Severity>& severity);

} // namespace leakbpf
