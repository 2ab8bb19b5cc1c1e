// SPDX-License-Identifier: Apache-2.0
#include "render/verdict_text.h"

#include "base/escape.h"
#include "core/culprit.h"
#include "core/culprit_rows.h"
#include "core/losses.h"
#include "core/one_ladder.h"
#include "core/ranking.h"
#include "core/row_sum.h"
#include "core/units.h"
#include "render/describe.h"
#include "render/held_text.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::size_t most_targets = 12; // it is to fit into a ticket
constexpr std::size_t most_targets_in_detail = 3;
constexpr std::size_t most_rows = 3; // that grow, of a target

std::string word_for(const TargetReport& target, double seconds) {
  constexpr double a_little = 1 << 20; // bytes a minute
  const auto severity = target.verdict.severity;
  if (!severity)
    return "no verdict";
  if (*severity == Severity::none)
    return "none: no leak seen in " + format_duration(seconds);
  const std::string name(severity_name(*severity));
  if (is_leak(*severity))
    return name + ": leaking";
  return name + (target.rss_growth_bytes_per_minute.value_or(0) < a_little
                     ? ": growing slowly"
                     : ": growing, but no leak is certain");
}

std::string target_line(const TargetReport& target, double seconds) {
  std::string line =
      fmt::format("PID {} {}: {}", describe_pid(target), target.comm, word_for(target, seconds));
  if (target.rss_end_bytes)
    line += fmt::format("   RSS {}", format_bytes(static_cast<double>(*target.rss_end_bytes)));
  if (target.rss_growth_bytes_per_minute)
    line += fmt::format(" ({}/min)", format_change(target.rss_growth_bytes_per_minute));
  if (target.ended)
    line += "   " + describe_end(*target.ended);
  return line;
}

/// "serve at shop.c:40, main at shop.c:52"
std::string callers_text(const SiteReport& site) {
  std::vector<std::string> callers;
  for (const std::size_t index : find_callers(site.frames, site.culprit))
    callers.push_back(describe_place(site.frames[index]));
  return fmt::format("{}", fmt::join(callers, ", "));
}

std::vector<std::string> site_lines(const SiteReport& site) {
  std::vector<std::string> lines{
      fmt::format("  {}. {:<8} {:>9}/min  {} {}  {}", site.rank,
                  severity_name(site.verdict.severity.value_or(Severity::none)),
                  format_change(describe_growth(site)), describe_bytes(site),
                  is_sparse(site) ? "in use" : "outstanding", describe_culprit(site))};
  if (const std::string callers = callers_text(site); !callers.empty())
    lines.push_back("     called by " + callers);
  if (!site.verdict.reasons.empty())
    lines.push_back(fmt::format("     {}", fmt::join(site.verdict.reasons, "; ")));
  if (site.reach)
    lines.push_back("     " + describe_reach(*site.reach));
  return lines;
}

/// Ended, and was not seen to grow: where there are others, it needs no line of its own.
bool only_ended(const TargetReport& target) {
  return target.ended && !grows(target.verdict.severity);
}

/// Those that have a line, by index: not the short-lived children of a server.
std::vector<std::size_t> shown_targets(const Report& report) {
  const std::vector<std::size_t> all = worst_first(report.targets);
  std::vector<std::size_t> shown = all;
  std::erase_if(shown, [&](std::size_t index) { return only_ended(report.targets[index]); });
  return shown.empty() || all.size() - shown.size() < 2 ? all : shown;
}

/// Its containers that grow, with the lines that fill them.
void add_held(std::string& text, const Report& report, std::size_t target, bool leading) {
  std::size_t shown = 0;
  for (const HeldReport& row : report.held) {
    if (row.target != target || leads(row, report) != leading || shown++ >= most_rows)
      continue;
    const HeldText held = describe_held(row);
    text += escape_controls(fmt::format(
                "  held  {:<8} {:>9}/min  {}  {}",
                severity_name(row.verdict.severity.value_or(Severity::none)),
                format_change(row.growth_bytes_per_minute),
                row.bytes ? "~" + format_bytes(static_cast<double>(*row.bytes)) : "", held.row)) +
            "\n";
    for (const std::string& line : held.lines)
      text += "        " + escape_controls(line) + "\n";
  }
  if (shown > most_rows)
    text += fmt::format("  and {}\n", format_counted(shown - most_rows, "more growing container",
                                                     "more growing containers"));
}

using Rows = std::vector<std::vector<std::size_t>>; ///< indices of sites that are one

/// In the order of the report.
Rows rows_of(const Report& report, bool by_culprit) {
  if (by_culprit)
    return adjacent_culprits(report.sites);
  Rows rows;
  for (std::size_t i = 0; i < report.sites.size(); i++)
    rows.push_back({i});
  return rows;
}

/// Its rows that grow, and how many there are more of them.
void add_sites(std::string& text, const Report& report, const Rows& rows, std::size_t target) {
  std::size_t shown = 0;
  for (std::size_t i = 0; i < rows.size(); i++) {
    const SiteReport& first = report.sites[rows[i].front()];
    if (first.target != target || first.behind || !any_grows(report.sites, rows[i]) ||
        shown++ >= most_rows)
      continue;
    SiteReport row = culprit_row(report.sites, rows[i]);
    row.rank = i + 1;
    grade_by_target(row, report);
    for (const std::string& line : site_lines(row))
      text += escape_controls(line) + "\n";
  }
  if (shown > most_rows)
    text += fmt::format("  and {}\n",
                        format_counted(shown - most_rows, "more growing row", "more growing rows"));
}

} // namespace

std::optional<Severity> worst_severity(const Report& report) {
  std::optional<Severity> worst;
  for (const TargetReport& target : report.targets)
    if (target.verdict.severity)
      worst = std::max(worst.value_or(Severity::none), *target.verdict.severity);
  return worst;
}

std::string render_verdict(const Report& report, bool by_culprit) {
  std::string text =
      fmt::format("leakbpf {} on {}, {} from {}\n", report.version, report.host.hostname,
                  format_duration(report.duration_seconds), report.started_at);
  const std::vector<std::size_t> order = shown_targets(report);
  const Rows rows = rows_of(report, by_culprit);
  for (std::size_t place = 0; place < std::min(order.size(), most_targets); place++) {
    const std::size_t index = order[place];
    const TargetReport& target = report.targets[index];
    text += escape_controls(target_line(target, report.duration_seconds)) + "\n";
    if (order.size() > most_targets_in_detail && !grows(target.verdict.severity))
      continue; // of many, those that do not grow have a line each
    for (const std::string& reason : target.verdict.reasons)
      text += "  - " + escape_controls(reason) + "\n";
    add_held(text, report, index, true);
    add_sites(text, report, rows, index);
    add_held(text, report, index, false);
  }
  if (order.size() > most_targets)
    text += fmt::format(
        "and {}\n", format_counted(order.size() - most_targets, "more process", "more processes"));
  if (const std::size_t ended = report.targets.size() - order.size(); ended > 0)
    text += fmt::format("and {} ended processes, none of which was seen growing\n", ended);
  if (report.suppressed.containers > 0)
    text +=
        fmt::format("suppressed: {}\n", format_counted(report.suppressed.containers,
                                                       "growing container", "growing containers"));
  if (report.suppressed.sites > 0)
    text += fmt::format("suppressed: {} stacks with {}\n", report.suppressed.sites,
                        format_bytes(static_cast<double>(report.suppressed.bytes)));
  return terminal_text(text);
}

} // namespace leakbpf
