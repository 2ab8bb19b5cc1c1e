// SPDX-License-Identifier: Apache-2.0
#include "render/table.h"

#include "core/culprit.h"
#include "core/losses.h"
#include "core/units.h"
#include "render/describe.h"
#include "render/painter.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace leakbpf {

namespace {

std::string describe_target(const TargetReport& target) {
  std::string text = fmt::format("PID {} {}", target.pid, target.comm);
  if (target.rss_end_bytes)
    text += fmt::format("   RSS {}", format_bytes(static_cast<double>(*target.rss_end_bytes)));
  if (target.rss_growth_bytes_per_minute)
    text += fmt::format(" ({}/min)", format_change(target.rss_growth_bytes_per_minute));
  text += fmt::format("   outstanding {} in {} blocks",
                      format_bytes(static_cast<double>(target.outstanding_bytes)),
                      format_count(target.outstanding_count));
  if (target.ended)
    text +=
        fmt::format("   {} after {}", target.ended->how, format_duration(target.ended->at_seconds));
  return text;
}

/// "Python 3.11   small objects: 54 MB live in 61 MB of pools, 64 arenas   GC: ..."
std::string describe_python(const PythonReport& python) {
  std::string text = "  Python " + python.version;
  if (!python.problem.empty())
    return text + "   native stacks only: " + python.problem;
  if (const auto& small = python.small_objects)
    text += fmt::format("   small objects: {} live in {} of pools, {} arenas of {} in all",
                        format_bytes(static_cast<double>(small->live_bytes)),
                        format_bytes(static_cast<double>(small->pool_bytes)),
                        format_count(small->arenas),
                        format_bytes(static_cast<double>(small->arena_bytes)));
  if (const auto& gc = python.collections; gc && gc->count > 0)
    text += fmt::format("   garbage collector: {} runs, longest {:.1f} ms", format_count(gc->count),
                        gc->longest_seconds * 1e3);
  return text;
}

constexpr std::size_t most_targets = 12;

/// In their order, but without the mildest, and those that have least, when there are many.
std::vector<TargetReport> shown_targets(const std::vector<TargetReport>& targets) {
  if (targets.size() <= most_targets)
    return targets;
  std::vector<std::size_t> order(targets.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto weight = [&targets](std::size_t index) {
    const TargetReport& target = targets[index];
    return std::pair(target.verdict.severity.value_or(Severity::none), target.outstanding_bytes);
  };
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return weight(a) > weight(b); });
  order.resize(most_targets);
  std::sort(order.begin(), order.end());
  std::vector<TargetReport> shown;
  shown.reserve(order.size());
  for (const std::size_t index : order)
    shown.push_back(targets[index]);
  return shown;
}

/// "high: RSS grows 8.1 MB/min (7.9 to 8.3); at this rate ..."
std::string describe_verdict(const Verdict& verdict) {
  return fmt::format(
      "  {}: {}", verdict.severity ? std::string(severity_name(*verdict.severity)) : "no verdict",
      fmt::join(verdict.reasons, "; "));
}

void paint_verdict(Painter& painter, const Verdict& verdict) {
  if (verdict.reasons.empty())
    return;
  const bool leak = verdict.severity && is_leak(*verdict.severity);
  leak ? painter.alarm_line(describe_verdict(verdict)) : painter.line(describe_verdict(verdict));
}

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

void paint_site(Painter& painter, const SiteReport& site, bool many_targets, bool stacks) {
  const std::string age = site.oldest_age_seconds ? format_duration(*site.oldest_age_seconds) : "-";
  const std::string_view severity =
      site.verdict.severity ? severity_name(*site.verdict.severity) : "";
  const std::string row =
      fmt::format("{:>4}  {:<8}  {:>11}  {:>9}  {:>11}  {:>6}  {:<6}  {}{}", site.rank, severity,
                  format_bytes(static_cast<double>(site.totals.outstanding_bytes())),
                  format_count(site.totals.outstanding_count()),
                  format_change(site.growth_bytes_per_minute), age, kind_name(site.key.kind),
                  many_targets ? fmt::format("{:>7}  ", site.pid) : "", culprit_text(site));
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
  const bool many = report.targets.size() > 1;
  for (const TargetReport& target : shown_targets(report.targets)) {
    painter.bold_line(describe_target(target));
    if (target.python)
      painter.line(describe_python(*target.python));
    paint_verdict(painter, target.verdict);
  }
  if (report.targets.size() > most_targets)
    painter.dim_line(fmt::format("  and {} processes more, with less outstanding",
                                 format_count(report.targets.size() - most_targets)));
  painter.dim_line(
      fmt::format("{}   {}", format_duration(report.duration_seconds), describe_tracing(report)));
  painter.line(fmt::format("{:>4}  {:<8}  {:>11}  {:>9}  {:>11}  {:>6}  {:<6}  {}{}", "#",
                           "severity", "outstanding", "count", "growth/min", "oldest", "kind",
                           many ? "    PID  " : "", "culprit"));
  for (const SiteReport& site : report.sites)
    paint_site(painter, site, many, style.stacks);
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
