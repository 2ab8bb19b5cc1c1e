// SPDX-License-Identifier: Apache-2.0
#include "render/html_held.h"

#include "core/units.h"
#include "render/describe.h"
#include "render/held_text.h"
#include "render/html_page.h"
#include "render/markup.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::size_t most_held_rows = 200;

std::string bytes_text(const std::optional<std::uint64_t>& bytes) {
  return bytes ? "~ " + format_bytes(static_cast<double>(*bytes)) : "-";
}

/// Entries over time, in a small picture.
std::string plot(const HeldReport& row) {
  constexpr double width = 220;
  constexpr double height = 44;
  if (row.series.size() < 2 || row.series_times.back() <= row.series_times.front())
    return "";
  const auto most = static_cast<double>(
      std::max<std::uint64_t>(*std::max_element(row.series.begin(), row.series.end()), 1));
  const double begin = row.series_times.front();
  const double length = row.series_times.back() - begin;
  std::string points;
  for (std::size_t i = 0; i < row.series.size(); i++)
    points += fmt::format("{:.1f},{:.1f} ", (row.series_times[i] - begin) / length * width,
                          height - static_cast<double>(row.series[i]) / most * height);
  return fmt::format("<svg class=\"entries\" viewBox=\"0 -2 {0} {1}\" width=\"{0}\" height=\"{1}\" "
                     "role=\"img\" aria-label=\"entries over time, up to {2}\">"
                     "<polyline points=\"{3}\"/></svg>",
                     width, height + 4, format_count(static_cast<std::uint64_t>(most)), points);
}

std::string article(const Report& report, const HeldReport& row) {
  const HeldText text = describe_held(row);
  std::string html =
      fmt::format("<article class=\"held\"><h3>{}<code>{}</code>",
                  html_badge(severity_word(row.verdict.severity)), escape_markup(row.path));
  if (report.targets.size() > 1)
    html += fmt::format(" <span class=\"pid\">PID {}</span>", row.pid);
  html += fmt::format("</h3><div class=\"beside\"><div><p>{}</p>", escape_markup(text.row));
  html += html_figures({{"Bytes", bytes_text(row.bytes), "about"},
                        {"Growth/min", format_change(row.growth_bytes_per_minute), "about"}});
  html += html_list("lines", text.lines) + html_list("reasons", row.verdict.reasons);
  return html + "</div>" + plot(row) + "</div></article>\n";
}

/// Paths, taken apart: what one part holds are the parts behind it.
struct Branch {
  std::map<std::string, Branch> held;
  std::uint64_t bytes = 0;
  double growth = 0;
};

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  std::string part;
  for (const char letter : path) {
    if ((letter == '.' || letter == '[') && !part.empty()) {
      parts.push_back(part);
      part.clear();
    }
    part += letter;
  }
  parts.push_back(part);
  return parts;
}

void add(Branch& root, const HeldReport& row) {
  Branch* branch = &root;
  for (const std::string& part : parts_of(row.path)) {
    branch = &branch->held[part];
    branch->bytes += row.bytes.value_or(0);
    branch->growth += row.growth_bytes_per_minute.value_or(0);
  }
}

std::string tree(const Branch& branch) {
  if (branch.held.empty())
    return "";
  std::string html = "<ul class=\"tree\">";
  for (const auto& [part, held] : branch.held)
    html += fmt::format("<li><code>{}</code> <small>~ {}, {}/min</small>{}</li>",
                        escape_markup(part), format_bytes(static_cast<double>(held.bytes)),
                        format_change(held.growth), tree(held));
  return html + "</ul>";
}

} // namespace

std::string held_section(const Report& report) {
  if (report.held.empty())
    return "";
  std::string html =
      "<section class=\"card\"><h2>Growing containers</h2>\n<p class=\"hint\">Read from outside. "
      "Their bytes are also in the rows of sites: another view of the same memory.</p>\n";
  Branch root;
  for (std::size_t i = 0; i < std::min(report.held.size(), most_held_rows); i++) {
    html += article(report, report.held[i]);
    add(root, report.held[i]);
  }
  return html + "<h3>What holds what</h3>" + tree(root) + "</section>\n";
}

} // namespace leakbpf
