// SPDX-License-Identifier: Apache-2.0
#include "render/table.h"

#include "core/culprit.h"
#include "core/losses.h"
#include "render/escape.h"
#include "render/units.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace leakbpf {

namespace {

class Painter {
public:
  explicit Painter(const TableStyle& style) : style_(style) {}

  void line(const std::string& text) { out_ += fit(text) + "\n"; }
  void bold_line(const std::string& text) { escaped_line("\x1b[1m", text); }
  void dim_line(const std::string& text) { escaped_line("\x1b[2m", text); }
  void alarm_line(const std::string& text) { escaped_line("\x1b[33m", text); }
  [[nodiscard]] std::string take() { return std::move(out_); }

private:
  void escaped_line(const char* escape, const std::string& text) {
    out_ += style_.color ? escape + fit(text) + "\x1b[0m\n" : fit(text) + "\n";
  }
  /// Makes harmless what names may hold, and cuts to the width, never inside a UTF-8 character.
  [[nodiscard]] std::string fit(const std::string& line) const {
    std::string text = escape_controls(line);
    if (style_.width == 0 || text.size() <= style_.width)
      return text;
    std::size_t end = style_.width;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
      end--;
    text.resize(end);
    return text;
  }

  const TableStyle& style_;
  std::string out_;
};

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

/// In their order, but without those that have least when there are many.
std::vector<TargetReport> shown_targets(const std::vector<TargetReport>& targets) {
  if (targets.size() <= most_targets)
    return targets;
  std::vector<std::size_t> order(targets.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&targets](std::size_t a, std::size_t b) {
    return targets[a].outstanding_bytes > targets[b].outstanding_bytes;
  });
  order.resize(most_targets);
  std::sort(order.begin(), order.end());
  std::vector<TargetReport> shown;
  shown.reserve(order.size());
  for (const std::size_t index : order)
    shown.push_back(targets[index]);
  return shown;
}

std::string with_source(const Frame& frame) {
  return describe_frame(frame) + (frame.source.empty() ? "" : ": " + frame.source);
}

std::string frame_line(const Frame& frame, bool culprit) {
  return fmt::format("      {} {}{}", culprit ? ">" : " ", with_source(frame),
                     frame.inlined ? " (inlined)" : "");
}

void paint_site(Painter& painter, const SiteReport& site, bool many_targets, bool stacks) {
  const std::string age = site.oldest_age_seconds ? format_duration(*site.oldest_age_seconds) : "-";
  const std::string culprit =
      site.frames.empty() ? "[unknown]" : with_source(site.frames[site.culprit]);
  const std::string row = fmt::format(
      "{:>4}  {:<8}  {:>11}  {:>9}  {:>11}  {:>6}  {:<6}  {}{}", site.rank, "",
      format_bytes(static_cast<double>(site.totals.outstanding_bytes())),
      format_count(site.totals.outstanding_count()), format_change(site.growth_bytes_per_minute),
      age, kind_name(site.key.kind), many_targets ? fmt::format("{:>7}  ", site.pid) : "", culprit);
  painter.line(row);
  if (!stacks)
    return;
  for (std::size_t i = 0; i < site.frames.size(); i++)
    painter.dim_line(frame_line(site.frames[i], i == site.culprit));
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
    if (const std::string pause = long_pause(target); !pause.empty())
      painter.alarm_line("  " + pause);
  }
  const std::string overhead =
      report.overhead.percent_of_one_core
          ? fmt::format(", at least {:.1f}% of one core", *report.overhead.percent_of_one_core)
          : "";
  if (report.targets.size() > most_targets)
    painter.dim_line(fmt::format("  and {} processes more, with less outstanding",
                                 format_count(report.targets.size() - most_targets)));
  painter.dim_line(
      fmt::format("{}   every allocation is followed (sampling comes later)   {} probe hits{}",
                  format_duration(report.duration_seconds),
                  format_count(report.overhead.probe_hits), overhead));
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
  paint_losses(painter, report);
  return painter.take();
}

} // namespace leakbpf
