// SPDX-License-Identifier: Apache-2.0
#include "core/units.h"
#include "render/describe.h"
#include "render/flame_svg.h"
#include "render/held_text.h"
#include "render/html.h"
#include "render/html_frames.h"
#include "render/html_page.h"
#include "render/html_target.h"
#include "render/markup.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

std::optional<std::uint64_t> outstanding_of(const std::optional<DiffFigures>& side) {
  return side ? std::optional(side->totals.outstanding_bytes()) : std::nullopt;
}

std::string bytes_cell(const std::optional<DiffFigures>& side) {
  const auto bytes = outstanding_of(side);
  return html_number(format_known_bytes(bytes), static_cast<double>(bytes.value_or(0)));
}

std::size_t rows_of(const Diff& diff) {
  return std::min(diff.rows.size(), most_page_rows);
}

std::string diff_row(const Diff& diff, const DiffRow& row, std::size_t index) {
  std::string html = fmt::format("<tr data-index=\"{}\">", index);
  html += html_number(std::to_string(row.rank), static_cast<double>(row.rank));
  html += fmt::format("<td>{}</td>", html_badge(change_name(row.change)));
  html += diff.compares_bytes(row)
              ? html_number(format_change(row.bytes_change()), row.bytes_change())
              : html_number("", std::nullopt);
  html += bytes_cell(row.before) + bytes_cell(row.after);
  html += html_number(format_change(row.growth_change()), row.growth_change());
  const auto severity = row.after ? row.after->severity : std::nullopt;
  html += fmt::format("<td data-value=\"{}\">{}</td>", severity ? static_cast<int>(*severity) : -1,
                      row.after ? html_badge(severity_word(severity)) : "-");
  html += fmt::format("<td>{}</td>", kind_name(row.kind));
  return html + html_culprit(row.frames, row.culprit, row.source) + "</tr>\n";
}

std::string diff_table(const Diff& diff) {
  std::string rows;
  for (std::size_t i = 0; i < rows_of(diff); i++)
    rows += diff_row(diff, diff.rows[i], i);
  std::string html = html_table({{"#"},
                                 {"Change", false},
                                 {"Bytes"},
                                 {"Before"},
                                 {"After"},
                                 {"Growth/min"},
                                 {"Severity", false},
                                 {"Kind", false},
                                 {"Culprit", false}},
                                rows);
  if (rows_of(diff) < diff.rows.size())
    html += fmt::format("<p>The first {} of {} rows.</p>", format_count(rows_of(diff)),
                        format_count(diff.rows.size()));
  return html;
}

std::string held_cells(const std::optional<HeldFigures>& side) {
  const auto bytes = side ? std::optional(side->bytes) : std::nullopt;
  return html_number(format_known_bytes(bytes), static_cast<double>(bytes.value_or(0)));
}

/// What fills a container is told in full by the snapshot's own page.
std::string held_table(const Diff& diff) {
  if (diff.held.empty())
    return "";
  std::string rows;
  for (const HeldChange& change : diff.held) {
    const auto severity = change.after ? change.after->severity : std::nullopt;
    rows += fmt::format("<tr><td>{}</td>", html_badge(change_name(change.change)));
    rows += held_cells(change.before) + held_cells(change.after);
    rows += html_number(format_change(change.growth_change()), change.growth_change());
    rows += fmt::format("<td>{}</td>", change.after ? html_badge(severity_word(severity)) : "-");
    rows += fmt::format("<td><code>{}</code>", escape_markup(describe_container(change.row)));
    for (const std::string& line : describe_held(change.row).lines)
      rows += "<br>" + escape_markup(line);
    rows += "</td></tr>\n";
  }
  return "<section class=\"card\"><h2>Growing containers</h2>" +
         html_table({{"Change", false},
                     {"Before"},
                     {"After"},
                     {"Growth/min"},
                     {"Severity", false},
                     {"Container", false}},
                    rows) +
         "</section>\n";
}

OutputJson side_facts(const DiffRow& row) {
  OutputJson facts = OutputJson::array();
  const auto add = [&](std::string_view name, const std::optional<DiffFigures>& side) {
    if (!side)
      return facts.push_back({name, "not there"});
    facts.push_back({name, fmt::format("{} in {} blocks, {} per minute, severity {}",
                                       format_known_bytes(side->totals.outstanding_bytes()),
                                       format_count(side->totals.outstanding_count()),
                                       format_change(side->growth_bytes_per_minute),
                                       severity_word(side->severity))});
  };
  add("Before", row.before);
  add("After", row.after);
  return facts;
}

OutputJson page_data(const Diff& diff) {
  OutputJson data;
  PageFrames frames;
  data["times"] = OutputJson::array();
  data["rows"] = OutputJson::array();
  for (std::size_t i = 0; i < rows_of(diff); i++) {
    const DiffRow& row = diff.rows[i];
    data["rows"].push_back({{"frames", frames.add(row.frames)},
                            {"culprit", row.culprit},
                            {"source", clean_text(row.source)},
                            {"reasons", OutputJson::array()},
                            {"facts", side_facts(row)},
                            {"series", OutputJson::array()}});
  }
  data["frames"] = frames.take();
  data["plots"] = OutputJson::array();
  return data;
}

std::string side_card(const char* name, const DiffSide& side) {
  std::string html = fmt::format("<section class=\"card\"><h2>{}</h2>", name);
  html += html_figures({{"Outstanding", format_bytes(static_cast<double>(side.outstanding_bytes)),
                         fmt::format("in {} blocks", format_count(side.outstanding_count))},
                        {"Duration", format_duration(side.duration_seconds), side.started_at},
                        {"Snapshot", side.file, ""}});
  const std::vector<std::size_t> order = worst_first(side.targets);
  for (std::size_t i = 0; i < std::min(order.size(), most_page_targets); i++) {
    const TargetReport& target = side.targets[order[i]];
    html +=
        fmt::format("<h3>{}{} <span class=\"pid\">PID {}</span></h3>{}",
                    html_badge(severity_word(target.verdict.severity)), escape_markup(target.comm),
                    escape_markup(describe_pid(target)), target_figures(target));
  }
  if (order.size() > most_page_targets)
    html +=
        fmt::format("<p>{} more processes.</p>", format_count(order.size() - most_page_targets));
  std::vector<std::string> losses;
  losses.reserve(side.losses.size());
  for (const std::string& loss : side.losses)
    losses.push_back("lost: " + loss);
  return html + html_list("limits", losses) + "</section>\n";
}

std::string changes_line(const Diff& diff) {
  std::string text;
  for (const Change change :
       {Change::added, Change::gone, Change::grew, Change::shrank, Change::same}) {
    const auto count = std::count_if(diff.rows.begin(), diff.rows.end(),
                                     [&](const DiffRow& row) { return row.change == change; });
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, change_name(change));
  }
  return fmt::format("{} stacks: {}", format_count(diff.rows.size()), text);
}

} // namespace

std::string render_html(const Diff& diff) {
  const double change = static_cast<double>(diff.after.outstanding_bytes) -
                        static_cast<double>(diff.before.outstanding_bytes);
  const std::string title =
      fmt::format("Change of outstanding memory of {}: {}", describe_targets(diff.after.targets),
                  format_change(change));
  std::string body = html_heading(title, changes_line(diff)) + "<main>\n<div class=\"pair\">";
  body += side_card("Before", diff.before) + side_card("After", diff.after) + "</div>\n";
  if (diff.by_rate)
    body += "<p>" + escape_markup(describe_lengths(diff)) + "</p>\n";
  body += held_table(diff);
  body += "<section class=\"card\"><h2>Stacks</h2>" + diff_table(diff) + "</section>\n";
  body += "<section class=\"card\"><h2>Flame graph</h2><p>The width of a box is the larger of "
          "before and after.</p>\n" +
          flame_element(make_flame_tree(diff)) + "</section>\n</main>\n";
  body += fmt::format("<footer>leakbpf {}.</footer>\n", escape_markup(diff.version));
  return html_page("leakbpf: " + title, body, page_data(diff));
}

} // namespace leakbpf
