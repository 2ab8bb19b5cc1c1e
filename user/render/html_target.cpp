// SPDX-License-Identifier: Apache-2.0
#include "render/html_target.h"

#include "core/units.h"
#include "render/describe.h"
#include "render/html_page.h"
#include "render/markup.h"

#include <algorithm>
#include <array>
#include <map>

#include <fmt/format.h>

namespace leakbpf {

namespace {

struct PlotLine {
  std::string_view key; ///< class in page.css
  std::string_view name;
  std::optional<std::uint64_t> HistoryPoint::*value;
};

// Outstanding bytes are always known, and come after these.
constexpr std::array<PlotLine, 6> plot_lines{{
    {"rss", "RSS", &HistoryPoint::rss_bytes},
    {"anonymous", "anonymous", &HistoryPoint::anonymous_bytes},
    {"file", "file", &HistoryPoint::file_bytes},
    {"shared", "shared", &HistoryPoint::shared_bytes},
    {"swap", "swap", &HistoryPoint::swap_bytes},
    {"cgroup", "cgroup", &HistoryPoint::cgroup_bytes},
}};

std::vector<std::string> reasons_of(const TargetReport& target) {
  std::vector<std::string> reasons = target.verdict.reasons;
  const std::string pause = long_pause(target);
  if (!pause.empty() && std::find(reasons.begin(), reasons.end(), pause) == reasons.end())
    reasons.push_back(pause);
  return reasons;
}

void add_python_figures(std::vector<Figure>& figures, const PythonReport& python) {
  figures.push_back({"Python", python.version,
                     python.problem.empty() ? "" : "native stacks only: " + python.problem});
  if (const auto& small = python.small_objects)
    figures.push_back({"Small objects", format_bytes(static_cast<double>(small->live_bytes)),
                       fmt::format("in {} of pools, {} arenas of {}",
                                   format_bytes(static_cast<double>(small->pool_bytes)),
                                   format_count(small->arenas),
                                   format_bytes(static_cast<double>(small->arena_bytes)))});
  if (const auto& gc = python.collections; gc && gc->count > 0)
    figures.push_back({"Garbage collector", fmt::format("{} runs", format_count(gc->count)),
                       fmt::format("longest {:.1f} ms", gc->longest_seconds * 1e3)});
}

std::string target_card(const TargetReport& target, std::size_t plot) {
  std::string html = fmt::format(
      "<article class=\"card target\"><h2>{}{} <span class=\"pid\">PID {}</span></h2>\n",
      html_badge(severity_word(target.verdict.severity)), escape_markup(target.comm),
      escape_markup(describe_pid(target)));
  html += fmt::format("<p class=\"command\">{}</p>\n", escape_markup(target.command_line));
  html += "<div class=\"beside\"><div>" + html_list("reasons", reasons_of(target)) +
          target_figures(target) + "</div>\n";
  html += fmt::format("<div class=\"plot\" data-plot=\"{}\"></div></div></article>\n", plot);
  return html;
}

std::string other_targets(const Report& report, const std::vector<std::size_t>& order) {
  std::string html = fmt::format("<details class=\"card\"><summary>{} more processes</summary>"
                                 "<div class=\"wide\"><table><thead><tr><th>Severity</th>"
                                 "<th class=\"number\">PID</th><th>Command</th>"
                                 "<th>Container</th>"
                                 "<th class=\"number\">RSS</th><th class=\"number\">Growth/min</th>"
                                 "<th class=\"number\">Outstanding</th></tr></thead><tbody>\n",
                                 format_count(order.size() - most_page_targets));
  for (std::size_t i = most_page_targets; i < order.size(); i++) {
    const TargetReport& target = report.targets[order[i]];
    html += fmt::format("<tr><td>{}</td><td class=\"number\">{}</td><td>{}</td><td>{}</td>",
                        html_badge(severity_word(target.verdict.severity)), target.pid,
                        escape_markup(target.comm), escape_markup(describe_place(target)));
    for (const std::string& text : {format_known_bytes(target.rss_end_bytes),
                                    format_change(target.rss_growth_bytes_per_minute),
                                    format_bytes(static_cast<double>(target.outstanding_bytes))})
      html += fmt::format("<td class=\"number\">{}</td>", text);
    html += "</tr>\n";
  }
  return html + "</tbody></table></div></details>\n";
}

/// The history of one process: the points are of all of them.
using Histories = std::map<std::int32_t, std::vector<const HistoryPoint*>>;

/// The cgroup has so much else in it that beside it the process's own lines would be flat.
bool dwarfs_others(const std::vector<const HistoryPoint*>& points) {
  constexpr std::uint64_t times = 4;
  return std::all_of(points.begin(), points.end(), [](const HistoryPoint* point) {
    return point->cgroup_bytes.value_or(0) > times * point->rss_bytes.value_or(0);
  });
}

OutputJson target_plot(const TargetReport& target, const Histories& histories) {
  OutputJson plot;
  plot["times"] = OutputJson::array();
  plot["lines"] = OutputJson::array();
  plot["limit"] = target.limit ? OutputJson(target.limit->bytes) : OutputJson(nullptr);
  const auto found = histories.find(target.pid);
  if (found == histories.end())
    return plot;
  const std::vector<const HistoryPoint*>& points = found->second;
  for (const HistoryPoint* point : points)
    plot["times"].push_back(point->t_seconds);
  for (const PlotLine& line : plot_lines) {
    OutputJson values = OutputJson::array();
    for (const HistoryPoint* point : points)
      values.push_back(known(point->*line.value));
    if (line.key == "cgroup" && dwarfs_others(points))
      continue;
    const bool nothing = std::all_of(points.begin(), points.end(), [&](const HistoryPoint* point) {
      return (point->*line.value).value_or(0) == 0;
    });
    if (!nothing)
      plot["lines"].push_back({{"key", line.key}, {"name", line.name}, {"values", values}});
  }
  OutputJson outstanding = OutputJson::array();
  for (const HistoryPoint* point : points)
    outstanding.push_back(point->outstanding_bytes);
  plot["lines"].push_back(
      {{"key", "outstanding"}, {"name", "outstanding"}, {"values", outstanding}});
  return plot;
}

} // namespace

std::string target_figures(const TargetReport& target) {
  std::vector<Figure> figures;
  if (target.rss_end_bytes)
    figures.push_back(
        {"RSS", format_known_bytes(target.rss_end_bytes),
         target.rss_start_bytes ? "was " + format_known_bytes(target.rss_start_bytes) : ""});
  if (target.rss_growth_bytes_per_minute)
    figures.push_back({"RSS growth/min", format_change(target.rss_growth_bytes_per_minute), ""});
  figures.push_back({"Outstanding", format_bytes(static_cast<double>(target.outstanding_bytes)),
                     fmt::format("in {} blocks", format_count(target.outstanding_count))});
  if (target.explained_percent)
    figures.push_back(
        {"Explained", format_known_percent(target.explained_percent), "of the growth of the RSS"});
  if (target.limit)
    figures.push_back(
        {"Limit", format_bytes(static_cast<double>(target.limit->bytes)), target.limit->source});
  if (target.seconds_to_limit)
    figures.push_back(
        {"Limit reached in", format_duration(*target.seconds_to_limit), "at the present rate"});
  if (const auto& container = target.container)
    figures.push_back({"Container", short_id(*container), container->runtime});
  if (target.ended)
    figures.push_back(
        {"Ended", target.ended->how, "after " + format_duration(target.ended->at_seconds)});
  if (target.python)
    add_python_figures(figures, *target.python);
  return html_figures(figures);
}

std::string target_cards(const Report& report) {
  const std::vector<std::size_t> order = worst_first(report.targets);
  std::string html;
  for (std::size_t i = 0; i < std::min(order.size(), most_page_targets); i++)
    html += target_card(report.targets[order[i]], i);
  if (order.size() > most_page_targets)
    html += other_targets(report, order);
  return html;
}

OutputJson target_plots(const Report& report) {
  Histories histories;
  for (const HistoryPoint& point : report.history)
    histories[point.pid].push_back(&point);
  OutputJson plots = OutputJson::array();
  const std::vector<std::size_t> order = worst_first(report.targets);
  for (std::size_t i = 0; i < std::min(order.size(), most_page_targets); i++)
    plots.push_back(target_plot(report.targets[order[i]], histories));
  return plots;
}

std::vector<std::string> clean_texts(const std::vector<std::string>& texts) {
  std::vector<std::string> clean;
  clean.reserve(texts.size());
  for (const std::string& text : texts)
    clean.push_back(clean_text(text));
  return clean;
}

} // namespace leakbpf
