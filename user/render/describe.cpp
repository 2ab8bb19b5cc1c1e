// SPDX-License-Identifier: Apache-2.0
#include "render/describe.h"

#include "core/culprit.h"
#include "core/ranking.h"
#include "core/row_sum.h"
#include "core/units.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

namespace leakbpf {

std::string describe_targets(const std::vector<TargetReport>& targets) {
  if (targets.size() == 1)
    return fmt::format("{} ({})", targets.front().comm, targets.front().pid);
  return fmt::format("{} processes", format_count(targets.size()));
}

std::string short_id(const Container& container) {
  constexpr std::size_t digits_shown = 12;
  constexpr std::size_t digits = 64;
  return container.id.size() == digits ? container.id.substr(0, digits_shown) : container.id;
}

std::string describe_pid(const TargetReport& target) {
  std::string inside;
  if (target.namespaced_pid)
    inside = fmt::format("{} in {}", *target.namespaced_pid,
                         target.container ? "" : "its own PID namespace");
  if (const auto& container = target.container) {
    inside += "container " + short_id(*container);
    if (!container->pod_name.empty())
      inside += ", pod " + container->pod_name;
    else if (!container->pod_uid.empty())
      inside += ", pod " + container->pod_uid;
  }
  return inside.empty() ? std::to_string(target.pid) : fmt::format("{} ({})", target.pid, inside);
}

std::string describe_end(const TargetEnd& end) {
  return fmt::format("{} after {}", end.how, format_duration(end.at_seconds));
}

std::string describe_place(const TargetReport& target) {
  std::string place = target.namespaced_pid ? std::to_string(*target.namespaced_pid) : "";
  if (const auto& container = target.container)
    place += (place.empty() ? "" : " in ") +
             (container->pod_name.empty() ? short_id(*container) : container->pod_name);
  return place;
}

namespace {

std::string describe_pids(std::uint64_t processes, std::int32_t pid) {
  return processes > 1 ? format_count(processes) + " processes" : std::to_string(pid);
}

} // namespace

std::string describe_row_pid(const SiteReport& site) {
  return describe_pids(site.processes, site.pid);
}

std::string describe_row_pid(const HeldReport& row) {
  return describe_pids(row.processes, row.pid);
}

std::string describe_bytes(const SiteReport& site) {
  const std::uint64_t bytes =
      is_sparse(site) ? *site.resident_bytes : site.totals.outstanding_bytes();
  return format_bytes(static_cast<double>(bytes));
}

std::optional<double> describe_growth(const SiteReport& site) {
  if (!is_sparse(site) || !site.growth_bytes_per_minute)
    return site.growth_bytes_per_minute;
  return growth_in_memory(site);
}

std::string describe_address_space(const SiteReport& site) {
  return fmt::format("{} of address space ({}/min)",
                     format_bytes(static_cast<double>(site.totals.outstanding_bytes())),
                     format_change(site.growth_bytes_per_minute));
}

std::string describe_culprit(const SiteReport& site) {
  if (site.frames.empty())
    return "[unknown]";
  std::string text = describe_place(site.frames[site.culprit]);
  if (site.stacks > 1)
    text += fmt::format(" ({} stacks)", format_count(site.stacks));
  return site.source.empty() ? text : text + ": " + site.source;
}

namespace {

std::string describe_process(const Report& report, std::size_t index, std::int32_t pid) {
  if (index >= report.targets.size())
    return fmt::format("process ({})", pid);
  const TargetReport& target = report.targets[index];
  return fmt::format("{} ({})", target.comm, target.pid);
}

} // namespace

std::string describe_process(const Report& report, const SiteReport& site) {
  return site.processes > 1 ? describe_row_pid(site)
                            : describe_process(report, site.target, site.pid);
}

std::string describe_process(const Report& report, const HeldReport& row) {
  return describe_process(report, row.target, row.pid);
}

std::string describe_run(const Report& report) {
  std::string text = format_duration(report.duration_seconds);
  if (!report.host.hostname.empty())
    text += " on " + report.host.hostname;
  if (!report.started_at.empty())
    text += ", from " + report.started_at;
  return text;
}

std::string describe_lengths(const Diff& diff) {
  return fmt::format("the runs differ in length ({} and {}): stacks in both are compared by growth "
                     "per minute, not by bytes",
                     format_duration(diff.before.duration_seconds),
                     format_duration(diff.after.duration_seconds));
}

std::string_view severity_word(const std::optional<Severity>& severity) {
  return severity ? severity_name(*severity) : "unknown";
}

std::string describe_verdict(const TargetReport& target) {
  std::string text = fmt::format("{} ({}): severity {}", target.comm, target.pid,
                                 severity_word(target.verdict.severity));
  if (!target.verdict.reasons.empty())
    text += "; " + target.verdict.reasons.front();
  return text;
}

std::string describe_side(const DiffSide& side) {
  std::string text = side.file.empty() ? "" : side.file + ", ";
  text += format_duration(side.duration_seconds);
  if (!side.started_at.empty())
    text += " from " + side.started_at;
  return text + fmt::format(", {} in {} blocks",
                            format_bytes(static_cast<double>(side.outstanding_bytes)),
                            format_count(side.outstanding_count));
}

std::vector<std::size_t> worst_first(const std::vector<TargetReport>& targets) {
  std::vector<std::size_t> order(targets.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return is_worse(targets[a], targets[b]); });
  return order;
}

std::optional<double> present_cost(const Overhead& overhead) {
  return overhead.present_percent_of_one_core ? overhead.present_percent_of_one_core
                                              : overhead.percent_of_one_core;
}

std::string describe_tracing(const Report& report) {
  if (report.backend == no_backend)
    return "no probes: objects are read from outside";
  const Overhead& overhead = report.overhead;
  std::string text =
      report.sampling.mean_bytes <= 1
          ? "every heap block tracked"
          : fmt::format("heap sampled every {}",
                        format_bytes(static_cast<double>(report.sampling.mean_bytes)));
  if (overhead.duty_cycle < 1)
    text += fmt::format(", {:.{}f}% of the time", 100 * overhead.duty_cycle,
                        overhead.duty_cycle < 0.1 ? 1 : 0);
  if (const auto cost = present_cost(overhead))
    text += fmt::format("   probes cost {:.1f}% of a core", *cost);
  return text + fmt::format("   {} hits", format_count(overhead.probe_hits));
}

} // namespace leakbpf
