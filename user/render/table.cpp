// SPDX-License-Identifier: Apache-2.0
#include "render/table.h"

#include "core/culprit.h"
#include "core/losses.h"
#include "core/ranking.h"
#include "core/row_sum.h"
#include "core/units.h"
#include "render/describe.h"
#include "render/held_text.h"
#include "render/painter.h"
#include "render/table_targets.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// So many containers at most stand above the other rows, so that some of these are to be seen.
constexpr std::size_t most_held = 8;

std::string frame_line(const SiteReport& site, std::size_t index) {
  const Frame& frame = site.frames[index];
  const bool culprit = index == site.culprit;
  return fmt::format("      {} {}{}{}", culprit ? ">" : " ",
                     culprit ? describe_place(frame) : describe_frame(frame),
                     culprit && !site.source.empty() ? ": " + site.source : "",
                     frame_remark(frame));
}

/// Of the PIDs of the rows; none when there is only one process.
std::size_t pid_width(const Report& report) {
  if (report.targets.size() < 2)
    return 0;
  std::size_t width = 7;
  for (const SiteReport& site : report.sites)
    width = std::max(width, describe_row_pid(site).size());
  for (const HeldReport& row : report.held)
    width = std::max(width, describe_row_pid(row).size());
  return width;
}

void paint_site(Painter& painter, const SiteReport& site, std::size_t pid_width, bool stacks) {
  const std::string age = site.oldest_age_seconds ? format_duration(*site.oldest_age_seconds) : "-";
  const std::string_view severity =
      site.verdict.severity ? severity_name(*site.verdict.severity) : "";
  painter.row(
      fmt::format("{:>4}  {:<8}  {:>11}  {:>9}  {:>11}  {:>6}  {:<6}  {}", site.rank, severity,
                  describe_bytes(site), format_count(site.totals.outstanding_count()),
                  format_change(describe_growth(site)), age, kind_name(site.key.kind),
                  pid_width > 0 ? fmt::format("{:>{}}  ", describe_row_pid(site), pid_width) : ""),
      describe_culprit(site), site.verdict.severity && is_leak(*site.verdict.severity));
  if (is_sparse(site))
    painter.dim_line("        in use, of " + describe_address_space(site));
  if (!stacks)
    return;
  for (std::size_t i = 0; i < site.frames.size(); i++)
    painter.dim_line(frame_line(site, i));
  if (!site.verdict.reasons.empty())
    painter.dim_line(fmt::format("        {}", fmt::join(site.verdict.reasons, "; ")));
  if (site.reach)
    painter.dim_line("        " + describe_reach(*site.reach));
}

/// The lines that fill a container stand under it, however the other rows are shown: they are what
/// a reader came for.
void paint_held(Painter& painter, const HeldReport& row, std::size_t pid_width, bool stacks) {
  const std::string_view severity =
      row.verdict.severity ? severity_name(*row.verdict.severity) : "";
  const HeldText text = describe_held(row);
  painter.row(
      fmt::format("{:>4}  {:<8}  {:>11}  {:>9}  {:>11}  {:>6}  {:<6}  {}", row.rank, severity,
                  row.bytes ? "~" + format_bytes(static_cast<double>(*row.bytes)) : "-",
                  format_count(row.entries), format_change(row.growth_bytes_per_minute), "", "held",
                  pid_width > 0 ? fmt::format("{:>{}}  ", describe_row_pid(row), pid_width) : ""),
      text.row, row.verdict.severity && is_leak(*row.verdict.severity));
  for (const std::string& each : text.lines)
    painter.line("        " + each);
  if (stacks && !row.verdict.reasons.empty())
    painter.dim_line(fmt::format("        {}", fmt::join(row.verdict.reasons, "; ")));
}

/// Those that lead, or the others.
void paint_holders(Painter& painter, const Report& report, std::size_t pid_width, bool stacks,
                   bool leading) {
  std::size_t rows = 0;
  for (const HeldReport& row : report.held)
    if (leads(row, report) == leading && rows++ < most_held)
      paint_held(painter, row, pid_width, stacks);
  if (rows > most_held)
    painter.dim_line("      " + format_counted(rows - most_held, "more growing container",
                                               "more growing containers"));
}

void paint_suppressed(Painter& painter, const Suppressed& suppressed) {
  if (suppressed.containers > 0)
    painter.dim_line("suppressed: " + format_counted(suppressed.containers, "growing container",
                                                     "growing containers"));
  if (suppressed.sites > 0)
    painter.dim_line(fmt::format("suppressed: {} stacks with {} in {} blocks, by {} patterns",
                                 format_count(suppressed.sites),
                                 format_bytes(static_cast<double>(suppressed.bytes)),
                                 format_count(suppressed.count), suppressed.rules.size()));
}

void paint_losses(Painter& painter, const Report& report) {
  for (int loss = 0; loss < LEAKBPF_LOSS_COUNT; loss++) {
    const auto which = static_cast<leakbpf_loss>(loss);
    if (report.losses.at(which) == 0)
      continue;
    const LossText& text = loss_text(which);
    painter.alarm_line(fmt::format("lost: {} {}{}", format_count(report.losses.at(which)),
                                   text.meaning,
                                   text.remedy.empty() ? "" : fmt::format(" ({})", text.remedy)));
  }
}

/// Rows that are shown with their stacks only come last: are all that were cut off of these?
bool ends_behind(const Report& report) {
  return !report.sites.empty() && report.sites.back().behind;
}

std::string nothing_text(const Report& report, const TableStyle& style) {
  if (style.filtered)
    return "no row matches --filter";
  return report.backend == no_backend ? "no growing container seen"
                                      : "nothing allocated since leakbpf attached is outstanding";
}

} // namespace

std::string render_table(const Report& report, const TableStyle& style) {
  Painter painter(style);
  const std::size_t width = pid_width(report);
  paint_targets(painter, report);
  painter.dim_line(
      fmt::format("{}   {}", format_duration(report.duration_seconds), describe_tracing(report)));
  painter.line(fmt::format("{:>4}  {:<8}  {:>11}  {:>9}  {:>11}  {:>6}  {:<6}  {}{}", "#",
                           "severity", "outstanding", "count", "growth/min", "oldest", "kind",
                           width > 0 ? fmt::format("{:>{}}  ", "PID", width) : "", "culprit"));
  paint_holders(painter, report, width, style.stacks, true);
  for (const SiteReport& site : report.sites)
    if (!site.behind || style.stacks)
      paint_site(painter, site, width, style.stacks);
  paint_holders(painter, report, width, style.stacks, false);
  if (report.sites.empty() && report.held.empty())
    painter.line("      " + nothing_text(report, style));
  else if (report.site_count > report.sites.size() && (style.stacks || !ends_behind(report)))
    painter.dim_line(fmt::format(
        "      {} (-n shows more)",
        format_counted(report.site_count - report.sites.size(), "more row", "more rows")));
  paint_suppressed(painter, report.suppressed);
  paint_losses(painter, report);
  return painter.take();
}

} // namespace leakbpf
