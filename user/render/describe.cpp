// SPDX-License-Identifier: Apache-2.0
#include "render/describe.h"

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

std::string describe_run(const Report& report) {
  std::string text = format_duration(report.duration_seconds);
  if (!report.host.hostname.empty())
    text += " on " + report.host.hostname;
  if (!report.started_at.empty())
    text += ", from " + report.started_at;
  return text;
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
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto badness = [&](std::size_t i) {
      const TargetReport& target = targets[i];
      const int severity =
          target.verdict.severity ? static_cast<int>(*target.verdict.severity) : -1;
      return std::make_pair(severity, target.outstanding_bytes);
    };
    return badness(a) > badness(b);
  });
  return order;
}

std::string describe_tracing(const Report& report) {
  const Overhead& overhead = report.overhead;
  std::string text =
      report.sampling.mean_bytes <= 1
          ? "every heap block followed"
          : fmt::format("heap sampled every {}",
                        format_bytes(static_cast<double>(report.sampling.mean_bytes)));
  if (overhead.duty_cycle < 1)
    text += fmt::format(", {:.{}f}% of the time", 100 * overhead.duty_cycle,
                        overhead.duty_cycle < 0.1 ? 1 : 0);
  if (const auto now = overhead.present_percent_of_one_core)
    text += fmt::format("   probes cost {:.1f}% of a core", *now);
  else if (const auto all = overhead.percent_of_one_core)
    text += fmt::format("   probes cost {:.1f}% of a core", *all);
  return text + fmt::format("   {} hits", format_count(overhead.probe_hits));
}

} // namespace leakbpf
