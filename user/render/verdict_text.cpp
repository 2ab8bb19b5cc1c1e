// SPDX-License-Identifier: Apache-2.0
#include "render/verdict_text.h"

#include "core/culprit.h"
#include "core/losses.h"
#include "core/units.h"
#include "render/describe.h"
#include "render/escape.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::size_t most_targets = 12; // it is to fit into a ticket
constexpr std::size_t most_in_detail = 3;

std::string word_for(const Verdict& verdict) {
  if (!verdict.severity)
    return "unknown";
  if (*verdict.severity == Severity::none)
    return "none: no leak";
  return std::string(severity_name(*verdict.severity)) +
         (is_leak(*verdict.severity) ? ": it leaks" : ": it grows a little");
}

std::string target_line(const TargetReport& target) {
  std::string line =
      fmt::format("PID {} {}: {}", describe_pid(target), target.comm, word_for(target.verdict));
  if (target.rss_end_bytes)
    line += fmt::format("   RSS {}", format_bytes(static_cast<double>(*target.rss_end_bytes)));
  if (target.rss_growth_bytes_per_minute)
    line += fmt::format(" ({}/min)", format_change(target.rss_growth_bytes_per_minute));
  if (target.ended)
    line +=
        fmt::format("   {} after {}", target.ended->how, format_duration(target.ended->at_seconds));
  return line;
}

std::string site_line(const SiteReport& site) {
  const std::string culprit =
      site.frames.empty() ? "[unknown]" : describe_frame(site.frames[site.culprit]);
  std::string line = fmt::format("  {}. {:<8} {:>9}/min  {} outstanding  {}{}", site.rank,
                                 severity_name(site.verdict.severity.value_or(Severity::none)),
                                 format_change(site.growth_bytes_per_minute),
                                 format_bytes(static_cast<double>(site.totals.outstanding_bytes())),
                                 culprit, site.source.empty() ? "" : ": " + site.source);
  if (!site.verdict.reasons.empty())
    line += fmt::format("\n     {}", fmt::join(site.verdict.reasons, "; "));
  return line;
}

bool grows(const Verdict& verdict) {
  return verdict.severity.value_or(Severity::none) != Severity::none;
}

/// Its sites that grow, and how many there are more of them.
void add_sites(std::string& text, const Report& report, std::size_t target, std::size_t sites) {
  std::size_t shown = 0;
  for (const SiteReport& site : report.sites) {
    if (site.target != target || !grows(site.verdict) || shown++ >= sites)
      continue;
    const std::string lines = site_line(site);
    const std::size_t end = lines.find('\n');
    text += escape_controls(lines.substr(0, end)) + "\n";
    if (end != std::string::npos)
      text += escape_controls(lines.substr(end + 1)) + "\n";
  }
  if (shown > sites)
    text += fmt::format("  and {} stacks more that grow\n", shown - sites);
}

} // namespace

std::optional<Severity> worst_severity(const Report& report) {
  std::optional<Severity> worst;
  for (const TargetReport& target : report.targets)
    if (target.verdict.severity)
      worst = std::max(worst.value_or(Severity::none), *target.verdict.severity);
  return worst;
}

std::string render_verdict(const Report& report, std::size_t sites) {
  std::string text =
      fmt::format("leakbpf {} on {}, {} from {}\n", report.version, report.host.hostname,
                  format_duration(report.duration_seconds), report.started_at);
  const std::vector<std::size_t> order = worst_first(report.targets);
  for (std::size_t place = 0; place < std::min(order.size(), most_targets); place++) {
    const std::size_t index = order[place];
    const TargetReport& target = report.targets[index];
    text += escape_controls(target_line(target)) + "\n";
    if (order.size() > most_in_detail && !grows(target.verdict))
      continue; // of many, those that do not grow have a line each
    for (const std::string& reason : target.verdict.reasons)
      text += "  - " + escape_controls(reason) + "\n";
    add_sites(text, report, index, sites);
  }
  if (order.size() > most_targets)
    text += fmt::format("and {} processes more\n", order.size() - most_targets);
  if (report.suppressed.sites > 0)
    text += fmt::format("suppressed: {} stacks with {}\n", report.suppressed.sites,
                        format_bytes(static_cast<double>(report.suppressed.bytes)));
  return text;
}

} // namespace leakbpf
