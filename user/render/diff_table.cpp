// SPDX-License-Identifier: Apache-2.0
#include "render/diff_table.h"

#include "core/culprit.h"
#include "core/units.h"
#include "render/describe.h"
#include "render/held_text.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

std::string describe_side(const char* name, const DiffSide& side) {
  std::string text = fmt::format("{:<7}{}   {} from {}   outstanding {} in {} blocks", name,
                                 side.file, format_duration(side.duration_seconds), side.started_at,
                                 format_bytes(static_cast<double>(side.outstanding_bytes)),
                                 format_count(side.outstanding_count));
  for (const TargetReport& target : side.targets)
    text += fmt::format("   PID {} {}: {}", describe_pid(target), target.comm,
                        target.verdict.severity ? severity_name(*target.verdict.severity)
                                                : "no verdict");
  return text;
}

std::string bytes_of(const std::optional<DiffFigures>& figures) {
  return figures ? format_bytes(static_cast<double>(figures->totals.outstanding_bytes())) : "-";
}

std::string culprit_of(const DiffRow& row) {
  if (row.frames.empty())
    return "[unknown]";
  return describe_place(row.frames[row.culprit]) + (row.source.empty() ? "" : ": " + row.source);
}

/// It is there to be mended, changed or not.
template <class Figures> bool leaks(const std::optional<Figures>& after) {
  return after && after->severity && is_leak(*after->severity);
}

void paint_row(Painter& painter, const Diff& diff, const DiffRow& row, bool stacks) {
  painter.row(fmt::format("{:>4}  {:<6}  {:>11}  {:>11}  {:>11}  {:>11}  {:<6}  ", row.rank,
                          change_name(row.change), bytes_of(row.before), bytes_of(row.after),
                          diff.compares_bytes(row) ? format_change(row.bytes_change()) : "",
                          format_change(row.growth_change()), kind_name(row.kind)),
              culprit_of(row), row.growth_change() > 0 && leaks(row.after));
  if (!stacks)
    return;
  for (std::size_t i = 0; i < row.frames.size(); i++)
    painter.dim_line(
        fmt::format("      {} {}", i == row.culprit ? ">" : " ", describe_frame(row.frames[i])));
}

std::string bytes_of(const std::optional<HeldFigures>& figures) {
  return figures ? "~" + format_bytes(static_cast<double>(figures->bytes)) : "-";
}

/// Its bytes, unlike a stack's, count from its beginning: a change of them says little.
void paint_held(Painter& painter, const HeldChange& change) {
  const bool alarm = change.growth_change() > 0 && leaks(change.after);
  painter.row(fmt::format("      {:<6}  {:>11}  {:>11}  {:>11}  {:>11}  {:<6}  ",
                          change_name(change.change), bytes_of(change.before),
                          bytes_of(change.after), "", format_change(change.growth_change()),
                          "held"),
              describe_container(change.row), alarm);
  for (const std::string& each : describe_held(change.row).lines)
    painter.dim_line("        " + each);
}

bool is_same(const Diff& diff) {
  const auto same = [](const auto& row) { return row.change == Change::same; };
  return std::all_of(diff.rows.begin(), diff.rows.end(), same) &&
         std::all_of(diff.held.begin(), diff.held.end(), same);
}

} // namespace

std::string render_table(const Diff& diff, const TableStyle& style, std::size_t rows) {
  Painter painter(style);
  painter.bold_line(describe_side("before", diff.before));
  painter.bold_line(describe_side("after", diff.after));
  if (diff.by_rate)
    painter.line(describe_lengths(diff));
  painter.line(fmt::format("{:>4}  {:<6}  {:>11}  {:>11}  {:>11}  {:>11}  {:<6}  {}", "#", "change",
                           "before", "after", "change", "growth/min", "kind", "culprit"));
  std::size_t shown = 0;
  for (const HeldChange& change : diff.held)
    if ((change.change != Change::same || change.after) && (shown++ < rows || rows == 0))
      paint_held(painter, change); // what was held to grow before and after grows on
  for (const DiffRow& row : diff.rows)
    if ((row.change != Change::same || leaks(row.after)) && (shown++ < rows || rows == 0))
      paint_row(painter, diff, row, style.stacks);
  if (is_same(diff))
    painter.line("      nothing changed");
  else if (rows != 0 && shown > rows)
    painter.dim_line(fmt::format("      {} more rows (-n shows more)", format_count(shown - rows)));
  for (const auto* side : {&diff.before, &diff.after})
    for (const std::string& loss : side->losses)
      painter.alarm_line(fmt::format("lost in {}: {}", side->file, loss));
  return painter.take();
}

} // namespace leakbpf
