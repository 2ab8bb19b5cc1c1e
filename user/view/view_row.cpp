// SPDX-License-Identifier: Apache-2.0
// One row opened: all that is known of it.
#include "core/culprit.h"
#include "core/units.h"
#include "render/describe.h"
#include "render/held_text.h"
#include "view/spark.h"
#include "view/view_paint.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::uint32_t context_lines = 2; ///< of the source, above and below

using Lines = std::vector<ScreenLine>;

void add_fact(Lines& lines, std::string_view name, std::string_view text,
              Style style = Style::plain) {
  if (text.empty())
    return;
  ScreenLine line(Style::dim, fmt::format("  {:<13}", name));
  line.add(style, text);
  lines.push_back(std::move(line));
}

/// Long texts go on in the next line.
void add_wrapped(Lines& lines, std::string_view name, std::string_view text, std::size_t columns,
                 Style style = Style::plain) {
  constexpr std::size_t indent = 15;
  const std::size_t width = std::max<std::size_t>(columns > indent ? columns - indent : 0, 20);
  std::string_view rest = text;
  while (!rest.empty()) {
    std::string_view part = fit_columns(rest, width);
    if (part.size() < rest.size())
      if (const std::size_t blank = part.rfind(' '); blank != std::string_view::npos && blank > 0)
        part = part.substr(0, blank);
    if (part.empty()) // one character is wider than the screen
      return;
    add_fact(lines, name, part, style);
    name = "";
    rest.remove_prefix(part.size());
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  }
}

void add_reasons(Lines& lines, const std::vector<std::string>& reasons, std::size_t columns) {
  std::string_view name = "why";
  for (const std::string& reason : reasons) {
    add_wrapped(lines, name, escape_controls(reason), columns);
    name = "";
  }
}

/// The largest and the least value stand beside it.
void add_plot(Lines& lines, const PaintContext& context, std::string_view name,
              const std::vector<double>& values,
              const std::function<std::string(double)>& describe) {
  if (values.size() < 2)
    return;
  constexpr std::size_t label = 15;
  const std::size_t plot_rows = context.size.rows < 30 ? 3 : 5;
  const std::size_t columns = std::min<std::size_t>(
      context.size.columns > label + 2 ? context.size.columns - label - 2 : 10, 120);
  const auto bars = plot(values, columns, plot_rows, context.ascii);
  const double most = *std::max_element(values.begin(), values.end());
  lines.emplace_back();
  for (std::size_t i = 0; i < bars.size(); i++) {
    const std::string beside = i == 0                 ? describe(most)
                               : i + 1 == bars.size() ? "0"
                               : i == 1               ? std::string(name)
                                                      : "";
    ScreenLine line(Style::dim, fmt::format("  {:>11}  ", beside));
    line.add(bars[i]);
    lines.push_back(std::move(line));
  }
}

std::string in_bytes(double bytes) {
  return format_bytes(bytes);
}

std::string in_entries(double entries) {
  return format_count(static_cast<std::uint64_t>(entries));
}

ScreenLine severity_line(const Verdict& verdict, const std::optional<double>& growth,
                         const std::string& rest) {
  ScreenLine line(
      style_of(verdict.severity),
      fmt::format("  {}  {}/min", severity_word(verdict.severity), format_change(growth)));
  line.add("   " + rest);
  return line;
}

/// The line itself and those around it, as far as the file can be read; else what the report has of
/// it.
void add_source(Lines& lines, const SourceOf& source, std::int32_t pid, const std::string& file,
                std::uint32_t number, const std::string& known) {
  if (number == 0)
    return;
  const std::uint32_t first = number > context_lines ? number - context_lines : 1;
  bool any = false;
  for (std::uint32_t each = first; each <= number + context_lines; each++) {
    std::string text = source ? source(pid, file, each) : "";
    if (text.empty() && each == number)
      text = known;
    if (text.empty())
      continue;
    any = true;
    ScreenLine line(Style::dim, fmt::format("      {:>6} ", each));
    line.add(each == number ? Style::bold : Style::dim, text);
    lines.push_back(std::move(line));
  }
  if (!any)
    lines.emplace_back(Style::dim, "             (the source cannot be read)");
}

ScreenLine frame_line(const SiteReport& site, std::size_t index, bool chosen) {
  const Frame& frame = site.frames[index];
  ScreenLine line(Style::dim, fmt::format("  {:>3} {} ", index, index == site.culprit ? ">" : " "));
  const Style style = index == site.culprit             ? Style::bold
                      : frame.kind == FrameKind::python ? Style::python
                                                        : Style::plain;
  line.add(style, describe_frame(frame));
  line.add(Style::dim, frame_remark(frame));
  if (!frame.file.empty() && !frame.module.empty())
    line.add(Style::dim, "  " + std::string(base_name(frame.module)));
  line.selected = chosen;
  return line;
}

/// The frame's line has it shortened.
void add_whole_name(Lines& lines, const Frame& frame, std::size_t columns) {
  std::string text = frame.function;
  if (!frame.file.empty())
    text +=
        fmt::format(" in {}{}", frame.file, frame.line > 0 ? fmt::format(":{}", frame.line) : "");
  if (!frame.module.empty())
    text += ", " + frame.module;
  add_wrapped(lines, "", escape_controls(text), columns, Style::dim);
}

void add_frames(Lines& lines, const PaintContext& context, const SiteReport& site,
                const SourceOf& source, std::size_t& at) {
  lines.emplace_back();
  lines.emplace_back(Style::dim, site.stacks > 1
                                     ? fmt::format("  one of {} stacks, the innermost call first",
                                                   format_count(site.stacks))
                                     : "  stack, the innermost call first");
  const std::size_t chosen = std::min(context.state.line, site.frames.size() - 1);
  for (std::size_t i = 0; i < site.frames.size(); i++) {
    if (i == chosen)
      at = lines.size();
    lines.push_back(frame_line(site, i, i == chosen));
    const Frame& frame = site.frames[i];
    if (i == chosen)
      add_whole_name(lines, frame, context.size.columns);
    if (i == chosen && !frame.file.empty())
      add_source(lines, source, site.pid, frame.file, frame.line,
                 i == site.culprit ? site.source : "");
  }
}

std::string numbers_of(const SiteReport& site) {
  std::string text = fmt::format("{} in {} blocks",
                                 format_bytes(static_cast<double>(site.totals.outstanding_bytes())),
                                 format_count(site.totals.outstanding_count()));
  if (site.estimated)
    text += site.standard_error_bytes
                ? fmt::format(" (estimated, \u00b1 {})", format_bytes(*site.standard_error_bytes))
                : " (estimated, error not known)";
  return text;
}

std::string ages_of(const SiteReport& site) {
  if (!site.oldest_age_seconds)
    return "";
  std::string text = "oldest block " + format_duration(*site.oldest_age_seconds);
  if (site.median_age_seconds)
    text += ", half are older than " + format_duration(*site.median_age_seconds);
  return text;
}

Lines site_lines(const PaintContext& context, const SiteReport& site, const SourceOf& source,
                 std::size_t& at) {
  const std::size_t columns = context.size.columns;
  Lines lines;
  lines.emplace_back(Style::bold, " " + describe_culprit(site));
  lines.push_back(severity_line(site.verdict, describe_growth(site), numbers_of(site)));
  add_fact(lines, "process", describe_process(context.data.report(), site));
  add_fact(lines, "kind", kind_name(site.key.kind));
  const double blocks =
      static_cast<double>(std::max<std::uint64_t>(site.totals.allocated_count, 1));
  add_fact(lines, "allocated",
           fmt::format("{} in {} blocks of {} on average; {} freed",
                       format_bytes(static_cast<double>(site.totals.allocated_bytes)),
                       format_count(site.totals.allocated_count),
                       format_bytes(static_cast<double>(site.totals.allocated_bytes) / blocks),
                       format_bytes(static_cast<double>(site.totals.freed_bytes))));
  add_fact(lines, "age", ages_of(site));
  if (site.reach)
    add_wrapped(lines, "pointers", escape_controls(describe_reach(*site.reach)), columns);
  add_reasons(lines, site.verdict.reasons, columns);
  add_plot(lines, context, "outstanding", {site.series.begin(), site.series.end()}, in_bytes);
  if (!site.frames.empty())
    add_frames(lines, context, site, source, at);
  return lines;
}

void add_held_lines(Lines& lines, const PaintContext& context, const HeldReport& row,
                    const SourceOf& source, std::size_t& at) {
  if (row.lines.empty()) {
    add_wrapped(lines, "no line", escape_controls(row.no_line), context.size.columns);
    return;
  }
  lines.emplace_back();
  lines.emplace_back(Style::dim, "  lines that fill it, the surest first");
  const std::size_t chosen = std::min(context.state.line, row.lines.size() - 1);
  for (std::size_t i = 0; i < row.lines.size(); i++) {
    const HeldLine& each = row.lines[i];
    ScreenLine line(Style::dim, fmt::format("  {:<9} ", evidence_name(each.evidence)));
    line.add(Style::python, describe_frame(frame_of(each)));
    line.selected = i == chosen;
    if (i == chosen)
      at = lines.size();
    lines.push_back(std::move(line));
    if (i == chosen)
      add_source(lines, source, row.pid, each.file, each.line, each.text);
  }
}

Lines container_lines(const PaintContext& context, const HeldReport& row, const SourceOf& source,
                      std::size_t& at) {
  const std::size_t columns = context.size.columns;
  Lines lines;
  lines.emplace_back(Style::held, " " + describe_container(row));
  lines.push_back(
      severity_line(row.verdict, row.growth_bytes_per_minute,
                    row.bytes ? "about " + format_bytes(static_cast<double>(*row.bytes)) : ""));
  add_fact(lines, "process", describe_process(context.data.report(), row));
  if (row.containers > 1)
    add_fact(lines, "containers", format_count(row.containers));
  add_wrapped(lines, "contents", escape_controls(row.contents), columns);
  add_wrapped(lines, "note", escape_controls(row.note), columns);
  add_wrapped(lines, "fix", escape_controls(row.fix), columns, Style::good);
  add_reasons(lines, row.verdict.reasons, columns);
  std::string_view name = "also grows";
  for (const std::string& path : row.also) {
    add_fact(lines, name, path, Style::held);
    name = "";
  }
  add_plot(lines, context, "entries", {row.series.begin(), row.series.end()}, in_entries);
  add_held_lines(lines, context, row, source, at);
  return lines;
}

std::string limit_of(const TargetReport& target) {
  if (!target.limit)
    return "";
  std::string text = fmt::format("{} ({})", format_bytes(static_cast<double>(target.limit->bytes)),
                                 target.limit->source);
  if (target.seconds_to_limit)
    text += ", reached in " + format_duration(*target.seconds_to_limit);
  return text;
}

Lines process_lines(const PaintContext& context, const TargetReport& target) {
  const std::size_t columns = context.size.columns;
  Lines lines;
  lines.emplace_back(Style::bold, fmt::format(" {} ({})", target.comm, describe_pid(target)));
  lines.push_back(severity_line(target.verdict, target.rss_growth_bytes_per_minute,
                                "RSS " + format_known_bytes(target.rss_end_bytes)));
  add_wrapped(lines, "command", escape_controls(target.command_line), columns);
  add_fact(lines, "executable", target.executable);
  add_fact(lines, "cgroup", target.cgroup);
  add_fact(lines, "started", target.started_at);
  if (target.ended)
    add_fact(lines, "ended", describe_end(*target.ended), Style::warning);
  add_fact(lines, "limit", limit_of(target));
  add_fact(lines, "outstanding",
           fmt::format("{} in {} blocks",
                       format_bytes(static_cast<double>(target.outstanding_bytes)),
                       format_count(target.outstanding_count)));
  if (target.python)
    add_fact(lines, "Python",
             target.python->problem.empty()
                 ? target.python->version
                 : target.python->version + ": " + target.python->problem);
  add_reasons(lines, target.verdict.reasons, columns);
  add_plot(lines, context, "RSS", context.data.memory().of(target.pid), in_bytes);
  return lines;
}

} // namespace

std::vector<ScreenLine> paint_row(const PaintContext& context, const ViewRow& row,
                                  const SourceOf& source, std::size_t& at) {
  const Report& report = context.data.report();
  at = 0;
  switch (row.of) {
  case ViewRow::Of::container:
    return container_lines(context, report.held[row.index], source, at);
  case ViewRow::Of::process:
    return process_lines(context, report.targets[row.index]);
  default:
    return site_lines(context, report.sites[row.index], source, at);
  }
}

} // namespace leakbpf
