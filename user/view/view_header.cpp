// SPDX-License-Identifier: Apache-2.0
// The lines above the table: who is traced, whether it leaks, what that costs.
#include "core/losses.h"
#include "core/units.h"
#include "render/describe.h"
#include "view/spark.h"
#include "view/view_paint.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::size_t most_detailed = 2; // more processes have a line each
constexpr std::size_t header_spark_columns = 16;

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& letter : result)
    if (letter >= 'a' && letter <= 'z')
      letter = static_cast<char>(letter - 'a' + 'A');
  return result;
}

std::string bytes_of(const std::optional<std::uint64_t>& bytes) {
  return format_known_bytes(bytes);
}

std::string percent(double share) {
  return fmt::format("{:.{}f}%", share, share < 10 ? 1 : 0);
}

/// What the probes cost, in few words.
std::string cost_of(const Report& report) {
  const auto percent = present_cost(report.overhead);
  return percent ? fmt::format("probes {:.1f}% of a core", *percent) : "";
}

ScreenLine title(const PaintContext& context) {
  const Report& report = context.data.report();
  ScreenLine line(Style::bold, "leakbpf");
  line.add("  " + describe_targets(report.targets));
  line.add(Style::dim, fmt::format("  {} {}", context.live ? "traced" : "ran",
                                   format_duration(report.duration_seconds)));
  if (context.state.paused)
    line.add("  ").add(Style::warning, "PAUSED");
  if (const std::string& before = context.data.compared_with(); !before.empty())
    line.add("  compared with " + before);
  else if (context.data.has_mark())
    line.add(Style::warning,
             fmt::format("  since the mark at {}", format_duration(context.data.mark_seconds())));
  const std::string tracing = describe_tracing(report);
  const bool fits = line.columns() + 1 + tracing.size() <= context.size.columns;
  line.add_right(Style::dim, fits ? tracing : cost_of(report), context.size.columns);
  return line;
}

void add_limit(ScreenLine& line, const TargetReport& target) {
  if (!target.limit)
    return;
  line.add(Style::dim, "   limit ").add(format_bytes(static_cast<double>(target.limit->bytes)));
  if (target.seconds_to_limit)
    line.add(Style::alarm, " in " + format_duration(*target.seconds_to_limit));
}

/// "RSS 812 MB  +12.4 MB/min  ▁▂▃▄▅   limit 2.0 GB in 1h40m   outstanding 64 MB  explains 93%"
ScreenLine memory_line(const PaintContext& context, const TargetReport& target) {
  ScreenLine line(Style::dim, "RSS ");
  line.add(Style::bold, fmt::format("{:>8}", bytes_of(target.rss_end_bytes)));
  line.add(style_of(target.verdict.severity),
           fmt::format(" {:>11}/min  ", format_change(target.rss_growth_bytes_per_minute)));
  const std::vector<double> memory = context.data.memory().of(target.pid);
  if (memory.size() > 1)
    line.add(sparkline(memory, header_spark_columns, context.ascii));
  add_limit(line, target);
  line.add(Style::dim, "   outstanding ")
      .add(format_bytes(static_cast<double>(target.outstanding_bytes)));
  if (target.explained_percent)
    line.add(Style::dim, "  explains ").add(percent(*target.explained_percent));
  return line;
}

ScreenLine verdict_line(const TargetReport& target) {
  const Style style = style_of(target.verdict.severity);
  ScreenLine line(style, target.verdict.severity ? upper(severity_name(*target.verdict.severity))
                                                 : "no verdict yet");
  if (target.ended)
    line.add("  ").add(Style::warning, describe_end(*target.ended));
  for (std::size_t i = 0; i < target.verdict.reasons.size(); i++)
    line.add(i == 0 ? "  " : "; ").add(target.verdict.reasons[i]);
  return line;
}

/// "high      uvicorn (4242)   812 MB  +12.4 MB/min  ▁▂▃▄▅"
ScreenLine process_line(const PaintContext& context, const TargetReport& target) {
  ScreenLine line(style_of(target.verdict.severity),
                  fmt::format("{:<9}", severity_word(target.verdict.severity)));
  line.add(pad_columns(fit_columns(escape_controls(target.comm), 15), 15));
  line.add(fmt::format(" {:>7}  {:>9}  {:>11}/min  ", target.pid, bytes_of(target.rss_end_bytes),
                       format_change(target.rss_growth_bytes_per_minute)));
  line.add(sparkline(context.data.memory().of(target.pid), header_spark_columns, context.ascii));
  if (target.ended)
    line.add(Style::warning, "  " + target.ended->how);
  return line;
}

/// All in one line: a warning stands at its beginning.
std::optional<ScreenLine> losses_line(const Report& report) {
  ScreenLine line;
  for (int loss = 0; loss < LEAKBPF_LOSS_COUNT; loss++) {
    const auto which = static_cast<leakbpf_loss>(loss);
    if (const std::uint64_t count = report.losses.at(which); count > 0)
      line.add(Style::warning, fmt::format("{} {} {}", line.spans().empty() ? "lost:" : ",",
                                           format_count(count), loss_text(which).meaning));
  }
  if (line.spans().empty())
    return std::nullopt;
  return line;
}

/// Two lines each of few processes, one of more; `room` lines at most.
void add_processes(std::vector<ScreenLine>& lines, const PaintContext& context, std::size_t room) {
  const Report& report = context.data.report();
  const std::vector<std::size_t> order = worst_first(report.targets);
  const bool detailed = order.size() <= most_detailed && room >= 2 * order.size();
  std::size_t shown = 0;
  for (const std::size_t index : order) {
    const TargetReport& target = report.targets[index];
    const std::size_t needed = detailed ? 2 : 1;
    if ((shown + 1) * needed > room)
      break;
    if (detailed) {
      lines.push_back(memory_line(context, target));
      lines.push_back(verdict_line(target));
    } else {
      lines.push_back(order.size() == 1 ? verdict_line(target) : process_line(context, target));
    }
    shown++;
  }
  const std::size_t more = order.size() - shown + report.targets_left_out;
  if (more > 0 && shown > 0)
    lines.back().add(Style::dim,
                     "   and " + format_counted(more, "more process", "more processes"));
}

} // namespace

Style style_of(const std::optional<Severity>& severity) {
  if (!severity)
    return Style::dim;
  switch (*severity) {
  case Severity::critical:
  case Severity::high:
    return Style::alarm;
  case Severity::medium:
    return Style::warning;
  case Severity::low:
    return Style::plain;
  default:
    return Style::good;
  }
}

std::vector<ScreenLine> paint_header(const PaintContext& context) {
  std::vector<ScreenLine> lines;
  if (!context.data.has_report()) {
    lines.emplace_back(Style::bold, "leakbpf");
    lines.emplace_back(Style::dim, "collecting: the first rows come in a moment");
    return lines;
  }
  const std::size_t most = std::max<std::size_t>(context.size.rows / 4, 2);
  lines.push_back(title(context));
  const auto losses = losses_line(context.data.report());
  add_processes(lines, context, most - (losses ? 1 : 0));
  if (losses)
    lines.push_back(*losses);
  return lines;
}

ScreenLine paint_tabs(const PaintContext& context) {
  constexpr std::array<std::string_view, tab_count> names{"Leaks", "Stacks", "Containers",
                                                          "Processes"};
  constexpr std::array<std::string_view, 4> sorts{"growth", "bytes", "count", "age"};
  constexpr std::array<std::string_view, 6> groups{"stack",   "line",   "function",
                                                   "handler", "module", "process"};
  const bool narrow = context.size.columns < 60;
  const ViewState& state = context.state;
  ScreenLine line;
  for (std::size_t i = 0; i < names.size(); i++) {
    const bool chosen = i == static_cast<std::size_t>(state.tab);
    if (narrow && !chosen)
      line.add(Style::key, fmt::format(" {}", i + 1));
    else
      line.add(chosen ? Style::chosen : Style::plain, fmt::format(" {} {} ", i + 1, names.at(i)));
  }
  std::string how = fmt::format("sort: {}", sorts.at(static_cast<std::size_t>(state.sort)));
  if (state.group_by != GroupBy::stack)
    how += fmt::format("  by: {}", groups.at(static_cast<std::size_t>(state.group_by)));
  if (state.min_age_seconds > 0)
    how += "  older than " + format_duration(state.min_age_seconds);
  if (!state.filter.empty())
    how += "  filter: " + state.filter;
  if (context.live)
    how += fmt::format("  every {:g}s", state.interval_seconds);
  const std::size_t used = line.columns() + 1;
  if (used < context.size.columns)
    line.add_right(Style::dim, fit_columns(escape_controls(how), context.size.columns - used),
                   context.size.columns);
  return line;
}

} // namespace leakbpf
