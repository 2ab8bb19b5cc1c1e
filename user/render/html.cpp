// SPDX-License-Identifier: Apache-2.0
#include "render/html.h"

#include "core/losses.h"
#include "core/units.h"
#include "render/describe.h"
#include "render/flame_svg.h"
#include "render/html_frames.h"
#include "render/html_held.h"
#include "render/html_page.h"
#include "render/html_target.h"
#include "render/markup.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

std::string bytes_text(std::uint64_t bytes) {
  return format_bytes(static_cast<double>(bytes));
}

std::string seconds_text(const std::optional<double>& seconds) {
  return seconds ? format_duration(*seconds) : "-";
}

std::size_t rows_of(const Report& report) {
  return std::min(report.sites.size(), most_page_rows);
}

std::string site_row(const SiteReport& site, std::size_t index, bool many_targets) {
  const std::uint64_t bytes = site.totals.outstanding_bytes();
  const std::uint64_t count = site.totals.outstanding_count();
  const auto severity = site.verdict.severity;
  std::string row = fmt::format("<tr data-index=\"{}\">", index);
  row += html_number(std::to_string(site.rank), static_cast<double>(site.rank));
  row += fmt::format("<td data-value=\"{}\">{}</td>", severity ? static_cast<int>(*severity) : -1,
                     html_badge(severity_word(severity)));
  row += html_number((site.estimated ? "~ " : "") + bytes_text(bytes), static_cast<double>(bytes));
  row += html_number(format_count(count), static_cast<double>(count));
  row += html_number(format_change(site.growth_bytes_per_minute), site.growth_bytes_per_minute);
  row += html_number(seconds_text(site.oldest_age_seconds), site.oldest_age_seconds);
  const auto survival = site.survival_percent();
  row += html_number(format_known_percent(survival), survival);
  row += fmt::format("<td>{}</td>", kind_name(site.key.kind));
  if (many_targets)
    row += html_number(describe_row_pid(site), site.pid);
  return row + html_culprit(site.frames, site.culprit, site.source) + "</tr>\n";
}

std::string site_table(const Report& report) {
  const bool many = report.targets.size() > 1;
  std::vector<Column> columns{{"#"},        {"Severity", false}, {"Outstanding"},
                              {"Count"},    {"Growth/min"},      {"Oldest"},
                              {"Survival"}, {"Kind", false}};
  if (many)
    columns.push_back({"PID"});
  columns.push_back({"Culprit", false});
  std::string rows;
  for (std::size_t i = 0; i < rows_of(report); i++)
    rows += site_row(report.sites[i], i, many);
  return html_table(columns, rows);
}

/// Pairs of a name and a text, as page.js shows them beside a stack.
OutputJson site_facts(const SiteReport& site) {
  OutputJson facts = OutputJson::array();
  const auto blocks = [](std::uint64_t bytes, std::uint64_t count) {
    return fmt::format("{} in {} blocks", bytes_text(bytes), format_count(count));
  };
  const SiteTotals& totals = site.totals;
  facts.push_back({"Outstanding", blocks(totals.outstanding_bytes(), totals.outstanding_count())});
  facts.push_back({"Allocated", blocks(totals.allocated_bytes, totals.allocated_count)});
  facts.push_back({"Freed", blocks(totals.freed_bytes, totals.freed_count)});
  facts.push_back({"Median age", seconds_text(site.median_age_seconds)});
  if (site.old_survival_percent && site.survival_age_seconds)
    facts.push_back(
        {fmt::format("Still live after {}", format_duration(*site.survival_age_seconds)),
         format_known_percent(site.old_survival_percent)});
  if (site.reach)
    facts.push_back({"Pointers", describe_reach(*site.reach)});
  if (site.score)
    facts.push_back({"Leak score", fmt::format("{:.2f} of 1", *site.score)});
  if (site.estimated)
    facts.push_back({"Estimated", site.standard_error_bytes
                                      ? fmt::format("standard error {}",
                                                    format_bytes(*site.standard_error_bytes))
                                      : "standard error not known"});
  return facts;
}

OutputJson page_data(const Report& report) {
  OutputJson data;
  PageFrames frames;
  data["times"] = report.series_times;
  data["rows"] = OutputJson::array();
  for (std::size_t i = 0; i < rows_of(report); i++) {
    const SiteReport& site = report.sites[i];
    OutputJson row;
    row["frames"] = frames.add(site.frames);
    row["culprit"] = site.culprit;
    row["source"] = clean_text(site.source);
    row["reasons"] = clean_texts(site.verdict.reasons);
    row["facts"] = site_facts(site);
    row["series"] = site.series;
    data["rows"].push_back(std::move(row));
  }
  data["frames"] = frames.take();
  data["plots"] = target_plots(report);
  return data;
}

/// What the report may be missing.
std::vector<std::string> limits_of(const Report& report) {
  std::vector<std::string> sentences;
  for (int loss = 0; loss < LEAKBPF_LOSS_COUNT; loss++) {
    const auto which = static_cast<leakbpf_loss>(loss);
    if (report.losses.at(which) == 0)
      continue;
    const LossText& text = loss_text(which);
    const std::string remedy = text.remedy.empty() ? "" : fmt::format(" ({})", text.remedy);
    sentences.push_back(
        fmt::format("{} {}{}", format_count(report.losses.at(which)), text.meaning, remedy));
  }
  const Suppressed& hidden = report.suppressed;
  if (hidden.sites > 0)
    sentences.push_back(fmt::format("{} sites with {} in {} blocks are suppressed",
                                    format_count(hidden.sites), bytes_text(hidden.bytes),
                                    format_count(hidden.count)));
  if (hidden.containers > 0)
    sentences.push_back(
        fmt::format("{} growing containers are suppressed", format_count(hidden.containers)));
  for (const Suppressed::Rule& rule : hidden.rules)
    sentences.push_back(fmt::format("suppressed by {}: {} sites with {}", rule.pattern,
                                    format_count(rule.sites), bytes_text(rule.bytes)));
  if (rows_of(report) < report.site_count)
    sentences.push_back(fmt::format("the table has the first {} of {} sites",
                                    format_count(rows_of(report)),
                                    format_count(report.site_count)));
  return sentences;
}

/// "host, Linux 6.1.0, x86_64, 4 CPUs. ", as far as known.
std::string host_text(const HostReport& host) {
  std::string text;
  const auto add = [&text](const std::string& part) { text += (text.empty() ? "" : ", ") + part; };
  if (!host.hostname.empty())
    add(host.hostname);
  if (!host.kernel.empty())
    add("Linux " + host.kernel);
  if (!host.arch.empty())
    add(host.arch);
  if (host.cpus > 0)
    add(fmt::format("{} CPUs", host.cpus));
  return text.empty() ? "" : text + ". ";
}

std::string footer(const Report& report) {
  std::string text = "leakbpf " + report.version;
  if (!report.backend.empty() && report.backend != no_backend)
    text += fmt::format(", {} probes", report.backend);
  text += ". " + host_text(report.host);
  std::string tracing = describe_tracing(report);
  tracing[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(tracing[0])));
  text += tracing;
  return fmt::format("<footer>{}.</footer>\n", escape_markup(text));
}

} // namespace

std::string render_html(const Report& report) {
  const std::string title = "Outstanding memory of " + describe_targets(report.targets);
  std::string body = html_heading(title, describe_run(report)) + "<main>\n";
  body += target_cards(report);
  if (const auto limits = limits_of(report); !limits.empty())
    body += "<section class=\"card\"><h2>What is missing here</h2>" + html_list("limits", limits) +
            "</section>\n";
  body += held_section(report);
  body += "<section class=\"card\"><h2>Sites</h2>" + site_table(report);
  if (report.sites.empty())
    body += "<p>Nothing allocated since leakbpf attached is outstanding.</p>";
  if (std::any_of(report.sites.begin(), report.sites.end(),
                  [](const SiteReport& site) { return site.estimated; }))
    body += "<p class=\"hint\">~: estimated, see the row for its error.</p>";
  body += "</section>\n<section class=\"card\"><h2>Flame graph</h2>\n" +
          flame_element(make_flame_tree(report)) + "</section>\n</main>\n";
  return html_page("leakbpf: " + title, body + footer(report), page_data(report));
}

} // namespace leakbpf
