// SPDX-License-Identifier: Apache-2.0
#include "render/table.h"

#include "core/culprit.h"
#include "core/losses.h"
#include "core/units.h"
#include "render/describe.h"
#include "render/painter.h"
#include "render/table_targets.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

std::string culprit_text(const SiteReport& site) {
  if (site.frames.empty())
    return "[unknown]";
  return describe_frame(site.frames[site.culprit]) +
         (site.source.empty() ? "" : ": " + site.source);
}

std::string frame_line(const SiteReport& site, std::size_t index) {
  const Frame& frame = site.frames[index];
  const bool culprit = index == site.culprit;
  return fmt::format("      {} {}{}", culprit ? ">" : " ",
                     culprit ? culprit_text(site) : describe_frame(frame),
                     frame.inlined ? " (inlined)" : "");
}

/// Of the PIDs of the rows; none when there is only one process.
std::size_t pid_width(const Report& report) {
  if (report.targets.size() < 2)
    return 0;
  std::size_t width = 7;
  for (const SiteReport& site : report.sites)
    width = std::max(width, describe_row_pid(site).size());
  return width;
}

void paint_site(Painter& painter, const SiteReport& site, std::size_t pid_width, bool stacks) {
  const std::string age = site.oldest_age_seconds ? format_duration(*site.oldest_age_seconds) : "-";
  const std::string_view severity =
      site.verdict.severity ? severity_name(*site.verdict.severity) : "";
  const std::string row =
      fmt::format("{:>4}  {:<8}  {:>11}  {:>9}  {:>11}  {:>6}  {:<6}  {}{}", site.rank, severity,
                  format_bytes(static_cast<double>(site.totals.outstanding_bytes())),
                  format_count(site.totals.outstanding_count()),
                  format_change(site.growth_bytes_per_minute), age, kind_name(site.key.kind),
                  pid_width > 0 ? fmt::format("{:>{}}  ", describe_row_pid(site), pid_width) : "",
                  culprit_text(site));
  site.verdict.severity&& is_leak(*site.verdict.severity) ? painter.alarm_line(row)
                                                          : painter.line(row);
  if (!stacks)
    return;
  for (std::size_t i = 0; i < site.frames.size(); i++)
    painter.dim_line(frame_line(site, i));
  if (!site.verdict.reasons.empty())
    painter.dim_line(fmt::format("        {}", fmt::join(site.verdict.reasons, "; ")));
}

void paint_suppressed(Painter& painter, const Suppressed& suppressed) {
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
  for (const SiteReport& site : report.sites)
    paint_site(painter, site, width, style.stacks);
  if (report.sites.empty())
    painter.line("      nothing outstanding that was allocated since leakbpf attached");
  else if (report.site_count > report.sites.size())
    painter.dim_line(fmt::format("      {} more rows (-n shows more)",
                                 format_count(report.site_count - report.sites.size())));
  paint_suppressed(painter, report.suppressed);
  paint_losses(painter, report);
  return painter.take();
}

} // namespace leakbpf
