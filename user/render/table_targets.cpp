// SPDX-License-Identifier: Apache-2.0
#include "render/table_targets.h"

#include "core/units.h"
#include "render/describe.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace leakbpf {

namespace {

constexpr std::size_t most_in_detail = 3; // more of them have one row each

std::string describe_target(const TargetReport& target) {
  std::string text = fmt::format("PID {} {}", describe_pid(target), target.comm);
  if (target.rss_end_bytes)
    text += fmt::format("   RSS {}", format_bytes(static_cast<double>(*target.rss_end_bytes)));
  if (target.rss_growth_bytes_per_minute)
    text += fmt::format(" ({}/min)", format_change(target.rss_growth_bytes_per_minute));
  text += fmt::format("   outstanding {} in {} blocks",
                      format_bytes(static_cast<double>(target.outstanding_bytes)),
                      format_count(target.outstanding_count));
  if (target.ended)
    text += "   " + describe_end(*target.ended);
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

/// What is to be said of a process in a few words: how it ended, or the weightiest reason why it
/// grows.
std::string remark_on(const TargetReport& target) {
  if (target.ended)
    return describe_end(*target.ended);
  return grows(target.verdict.severity) && !target.verdict.reasons.empty()
             ? target.verdict.reasons.front()
             : "";
}

/// Text of others in so many columns.
std::string in_columns(const std::string& text, std::size_t columns) {
  return pad_columns(fit_columns(escape_controls(text), columns), columns);
}

/// A pod's name tells most at its end: "7 in ..7c9d8f6b5-x2k4q".
std::string place_of(const TargetReport& target) {
  constexpr std::size_t longest = 32;
  std::string place = escape_controls(describe_place(target));
  const std::size_t columns = text_columns(place);
  if (columns <= longest)
    return place;
  const std::size_t name = target.namespaced_pid ? place.find(" in ") + 4 : 0;
  const std::string_view end = std::string_view(place).substr(name);
  return place.replace(name, fit_columns(end, columns - longest + 2).size(), "..");
}

/// Places of processes in a table, by `order`: as wide as the widest, when there is one at all.
std::size_t place_width(const std::vector<TargetReport>& targets,
                        const std::vector<std::size_t>& order) {
  constexpr std::size_t header = 9;
  std::size_t width = 0;
  for (const std::size_t index : order)
    if (const std::size_t size = text_columns(place_of(targets[index])); size > 0)
      width = std::max({width, size, header});
  return width;
}

void paint_row(Painter& painter, const TargetReport& target, std::size_t place) {
  const auto severity = target.verdict.severity;
  std::string row = fmt::format(
      "{:>8}  {}  {:<8}  {:>9}  {:>11}  {:>11}", target.pid, in_columns(target.comm, 15),
      severity ? severity_name(*severity) : "", format_known_bytes(target.rss_end_bytes),
      format_change(target.rss_growth_bytes_per_minute),
      format_bytes(static_cast<double>(target.outstanding_bytes)));
  if (place > 0)
    row += "  " + pad_columns(place_of(target), place);
  if (const std::string remark = remark_on(target); !remark.empty())
    row += "  " + remark;
  row.erase(row.find_last_not_of(' ') + 1);
  severity&& is_leak(*severity) ? painter.alarm_line(row) : painter.line(row);
}

void paint_rows(Painter& painter, const Report& report, const std::vector<std::size_t>& order) {
  const std::size_t place = place_width(report.targets, order);
  painter.bold_line(fmt::format("{:>8}  {:<15}  {:<8}  {:>9}  {:>11}  {:>11}{}", "PID", "process",
                                "severity", "RSS", "growth/min", "outstanding",
                                place > 0 ? "  container" : ""));
  for (const std::size_t index : order)
    paint_row(painter, report.targets[index], place);
}

} // namespace

void paint_targets(Painter& painter, const Report& report) {
  std::vector<std::size_t> order = worst_first(report.targets);
  const std::size_t hidden = order.size() - std::min(order.size(), most_shown_targets);
  order.resize(order.size() - hidden);
  if (order.size() > most_in_detail) {
    paint_rows(painter, report, order);
  } else {
    for (const std::size_t index : order) {
      const TargetReport& target = report.targets[index];
      painter.bold_line(describe_target(target));
      if (target.python)
        painter.line(describe_python(*target.python));
      paint_verdict(painter, target.verdict);
    }
  }
  if (const std::size_t more = hidden + report.targets_left_out; more > 0)
    painter.dim_line(
        fmt::format("          and {} more processes, which grow less", format_count(more)));
}

} // namespace leakbpf
