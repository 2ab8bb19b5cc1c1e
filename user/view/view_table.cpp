// SPDX-License-Identifier: Apache-2.0
// The rows of the view.
#include "core/culprit.h"
#include "core/units.h"
#include "render/describe.h"
#include "view/spark.h"
#include "view/view_paint.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::size_t spark_columns = 12;

/// What a cell needs of a row, whatever it is of.
struct Cells {
  std::optional<Severity> severity;
  std::string growth;
  std::string bytes;
  std::string count;
  std::string age;
  std::string survival;
  std::vector<double> history;
  std::string since_mark;
  std::string kind;
  std::string process;
  ScreenLine what;
};

std::vector<double> as_doubles(const std::vector<std::uint64_t>& values) {
  return {values.begin(), values.end()};
}

Style style_of_frame(const Frame& frame) {
  return frame.kind == FrameKind::python ? Style::python : Style::plain;
}

Cells site_cells(const SiteReport& site) {
  Cells cells;
  cells.severity = site.verdict.severity;
  cells.growth = format_change(describe_growth(site));
  cells.bytes = describe_bytes(site);
  cells.count = format_count(site.totals.outstanding_count());
  cells.age = site.oldest_age_seconds ? format_duration(*site.oldest_age_seconds) : "-";
  if (const auto percent = site.survival_percent())
    cells.survival = fmt::format("{:.0f}%", std::min(*percent, 100.0));
  cells.history = as_doubles(site.series);
  cells.kind = kind_name(site.key.kind);
  cells.process = describe_row_pid(site);
  cells.what.add(site.frames.empty() ? Style::dim : style_of_frame(site.frames[site.culprit]),
                 describe_culprit(site));
  return cells;
}

Cells container_cells(const HeldReport& row) {
  Cells cells;
  cells.severity = row.verdict.severity;
  cells.growth = format_change(row.growth_bytes_per_minute);
  cells.bytes = row.bytes ? "~" + format_bytes(static_cast<double>(*row.bytes)) : "-";
  cells.count = format_count(row.entries);
  cells.history = as_doubles(row.series);
  cells.kind = "held";
  cells.process = describe_row_pid(row);
  cells.what.add(Style::held, row.path).add(Style::dim, fmt::format(" ({})", row.type));
  if (row.lines.empty()) {
    cells.what.add(Style::dim, "  " + row.no_line);
  } else {
    const HeldLine& line = row.lines.front();
    cells.what.add("  ").add(Style::python, describe_frame(frame_of(line)));
    cells.what.add(line.text.empty() ? "" : ": " + line.text);
  }
  return cells;
}

Cells process_cells(const PaintContext& context, const TargetReport& target) {
  Cells cells;
  cells.severity = target.verdict.severity;
  cells.growth = format_change(target.rss_growth_bytes_per_minute);
  cells.bytes = format_known_bytes(target.rss_end_bytes);
  cells.count = format_count(target.outstanding_count);
  cells.age = target.ended ? "ended" : "";
  cells.history = context.data.memory().of(target.pid);
  cells.process = describe_pid(target);
  cells.what.add(target.comm);
  if (!target.verdict.reasons.empty())
    cells.what.add(Style::dim, "  " + target.verdict.reasons.front());
  return cells;
}

Cells cells_of(const PaintContext& context, const ViewRow& row) {
  const Report& report = context.data.report();
  Cells cells = row.of == ViewRow::Of::site ? site_cells(report.sites[row.index])
                : row.of == ViewRow::Of::container
                    ? container_cells(report.held[row.index])
                    : process_cells(context, report.targets[row.index]);
  if (context.data.has_mark())
    cells.since_mark = format_change(context.data.since_mark(row));
  return cells;
}

/// A column of the table: which are there depends on how wide the screen is.
struct Column {
  std::string head;
  std::size_t width = 0;
  bool left = false; ///< aligned
  std::function<void(ScreenLine&, const Cells&)> add;
};

Column text_column(std::string head, std::size_t width, std::string Cells::*cell) {
  return {std::move(head), width, false, [width, cell](ScreenLine& line, const Cells& cells) {
            line.add(fmt::format("{:>{}}", cells.*cell, width));
          }};
}

Column severity_column() {
  return {"severity", 8, true, [](ScreenLine& line, const Cells& cells) {
            line.add(style_of(cells.severity),
                     fmt::format("{:<8}", cells.severity ? severity_name(*cells.severity) : ""));
          }};
}

Column growth_column() {
  return {"growth/min", 11, false, [](ScreenLine& line, const Cells& cells) {
            line.add(grows(cells.severity) ? style_of(cells.severity) : Style::plain,
                     fmt::format("{:>11}", cells.growth));
          }};
}

Column history_column(bool ascii) {
  return {"history", spark_columns, true, [ascii](ScreenLine& line, const Cells& cells) {
            line.add(sparkline(cells.history, spark_columns, ascii));
          }};
}

/// From what matters most to what there is room for.
std::vector<Column> columns_for(const PaintContext& context) {
  const bool processes = context.state.tab == Tab::processes;
  const std::size_t width = context.size.columns;
  std::vector<Column> columns{severity_column(), growth_column()};
  if (context.data.has_mark())
    columns.push_back(text_column(context.data.compared_with().empty() ? "since mark" : "change",
                                  11, &Cells::since_mark));
  if (width >= 70)
    columns.push_back(text_column(processes ? "RSS" : "outstanding", 11, &Cells::bytes));
  if (width >= 100)
    columns.push_back(text_column(processes ? "blocks" : "count", 9, &Cells::count));
  if (width >= 120)
    columns.push_back(text_column(processes ? "" : "oldest", 6, &Cells::age));
  if (width >= 130 && !processes)
    columns.push_back(text_column("kept", 5, &Cells::survival));
  if (width >= 90)
    columns.push_back(history_column(context.ascii));
  if (width >= 110 && !processes)
    columns.push_back(text_column("kind", 6, &Cells::kind));
  if (processes || context.data.report().targets.size() > 1)
    columns.push_back(text_column("PID", 8, &Cells::process));
  return columns;
}

ScreenLine head_line(const PaintContext& context, const std::vector<Column>& columns) {
  std::string text;
  for (const Column& column : columns)
    text +=
        fmt::format(fmt::runtime(column.left ? "{:<{}} " : "{:>{}} "), column.head, column.width);
  text += context.state.tab == Tab::processes    ? "process"
          : context.state.tab == Tab::containers ? "container"
                                                 : "what grows";
  return {Style::bar, pad_columns(fit_columns(text, context.size.columns), context.size.columns)};
}

ScreenLine row_line(const PaintContext& context, const std::vector<Column>& columns,
                    const ViewRow& row) {
  const Cells cells = cells_of(context, row);
  ScreenLine line;
  for (const Column& column : columns) {
    column.add(line, cells);
    line.add(" ");
  }
  for (const Span& span : cells.what.spans())
    line.add(span.style, span.text);
  return line;
}

std::string nothing_to_show(const PaintContext& context) {
  if (!context.state.filter.empty())
    return "no row matches the filter (f changes it)";
  if (context.state.min_age_seconds > 0)
    return "no row is that old (a changes the age)";
  return context.state.tab == Tab::containers
             ? "no growing container was seen"
             : "nothing that was allocated since leakbpf attached is outstanding";
}

} // namespace

std::vector<ScreenLine> paint_table(const PaintContext& context, std::size_t lines) {
  std::vector<ScreenLine> table;
  if (!context.data.has_report() || lines == 0)
    return table;
  const std::vector<Column> columns = columns_for(context);
  table.push_back(head_line(context, columns));
  const std::vector<ViewRow>& rows = context.data.rows();
  if (rows.empty())
    table.emplace_back(Style::dim, nothing_to_show(context));
  for (std::size_t i = context.state.top; i < rows.size() && table.size() < lines; i++) {
    table.push_back(row_line(context, columns, rows[i]));
    table.back().selected = i == context.state.selected;
  }
  return table;
}

} // namespace leakbpf
