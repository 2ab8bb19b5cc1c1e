// SPDX-License-Identifier: Apache-2.0
#include "render/diff_table.h"

#include "core/culprit.h"
#include "core/units.h"
#include "render/describe.h"

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
  return describe_frame(row.frames[row.culprit]) + (row.source.empty() ? "" : ": " + row.source);
}

void paint_row(Painter& painter, const DiffRow& row, bool stacks) {
  const std::string line = fmt::format(
      "{:>4}  {:<6}  {:>11}  {:>11}  {:>11}  {:>11}  {:<6}  {}", row.rank, change_name(row.change),
      bytes_of(row.before), bytes_of(row.after), format_change(row.bytes_change()),
      format_change(row.growth_change()), kind_name(row.kind), culprit_of(row));
  row.growth_change() > 0 && row.after&& row.after->severity&& is_leak(*row.after->severity)
      ? painter.alarm_line(line)
      : painter.line(line);
  if (!stacks)
    return;
  for (std::size_t i = 0; i < row.frames.size(); i++)
    painter.dim_line(
        fmt::format("      {} {}", i == row.culprit ? ">" : " ", describe_frame(row.frames[i])));
}

} // namespace

std::string render_table(const Diff& diff, const TableStyle& style, std::size_t rows) {
  Painter painter(style);
  painter.bold_line(describe_side("before", diff.before));
  painter.bold_line(describe_side("after", diff.after));
  painter.line(fmt::format("{:>4}  {:<6}  {:>11}  {:>11}  {:>11}  {:>11}  {:<6}  {}", "#", "change",
                           "before", "after", "change", "growth/min", "kind", "culprit"));
  std::size_t changed = 0;
  for (const DiffRow& row : diff.rows)
    if (row.change != Change::same && (changed++ < rows || rows == 0))
      paint_row(painter, row, style.stacks);
  if (changed == 0)
    painter.line("      nothing changed");
  else if (rows != 0 && changed > rows)
    painter.dim_line(
        fmt::format("      {} more rows (-n shows more)", format_count(changed - rows)));
  for (const auto* side : {&diff.before, &diff.after})
    for (const std::string& loss : side->losses)
      painter.alarm_line(fmt::format("lost in {}: {}", side->file, loss));
  return painter.take();
}

} // namespace leakbpf
