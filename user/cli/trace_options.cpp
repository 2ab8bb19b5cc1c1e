// SPDX-License-Identifier: Apache-2.0
#include "cli/trace_options.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

/// Whoever asks for everything does not ask for a limit; nor who runs a command to see what it
/// never frees.
CostLimits cost_limits(const Options& options) {
  const bool whole = options.exact || (options.command == Command::run && !options.sample_bytes);
  constexpr double usual_percent = 3;
  constexpr std::uint64_t usual_bytes = 16384;
  CostLimits limits;
  limits.per_target = options.max_overhead_percent.value_or(whole ? 0 : usual_percent) / 100;
  limits.total = options.max_total_overhead_percent / 100;
  limits.mean_bytes = whole ? 1 : options.sample_bytes.value_or(usual_bytes);
  return limits;
}

/// Every Python object has a stack: the import of a few modules has tens of thousands.
std::uint32_t usual_stacks(const Options& options) {
  if (options.python_malloc)
    return 1U << 18;
  return options.all ? 1U << 16 : 1U << 15;
}

} // namespace

bool kind_wanted(const Options& options, const char* kind) {
  return options.kinds.empty() ||
         std::find(options.kinds.begin(), options.kinds.end(), kind) != options.kinds.end();
}

bool wants_pages(const Options& options) {
  return !options.kinds.empty() && kind_wanted(options, "pages");
}

Result<TraceOptions> trace_options(const Options& options, const Console& console) {
  TraceOptions trace;
  trace.kernel.max_stacks = options.max_stacks.value_or(usual_stacks(options));
  trace.kernel.max_frames = options.max_depth;
  trace.kernel.min_size = options.min_size;
  trace.kernel.max_size = options.max_size;
  trace.kernel.follow_forks = options.follow_forks;
  trace.kernel.heap = kind_wanted(options, "heap");
  trace.kernel.mmap = kind_wanted(options, "mmap");
  trace.kernel.brk = kind_wanted(options, "brk");
  trace.kernel.python = kind_wanted(options, "python");
  trace.kernel.pages = wants_pages(options);
  trace.kernel.pages_on_demand = options.kinds.empty();
  // A command's size is not known before it runs; the table takes room only as it fills.
  trace.max_live = options.max_live;
  if (options.command == Command::run && !trace.max_live)
    trace.max_live = 1U << 22;
  trace.backend = options.backend;
  trace.hints = {options.objects, options.symbol_prefix};
  trace.python = !options.no_python;
  trace.held = trace.python && kind_wanted(options, "held");
  trace.show_keys = options.show_keys;
  trace.reach = options.reach;
  trace.reach_if_cheap = options.command == Command::detect || options.command == Command::snapshot;
  trace.group_by = options.group_by.value_or(GroupBy::stack);
  trace.limits = cost_limits(options);
  trace.min_age_seconds = options.min_age_seconds;
  // What is allocated once is allocated before anybody attaches, but for a command of ours.
  auto suppressions = suppressions_of(options, options.command == Command::run);
  if (!suppressions)
    return suppressions.error();
  trace.suppressions = std::move(*suppressions);
  auto filter = filter_of(options);
  if (!filter)
    return filter.error();
  trace.filter = std::move(*filter);
  trace.warn = [&console](const std::string& text) { console.warn(text); };
  trace.inform = [&console](const std::string& text) { console.inform(text); };
  return trace;
}

TargetRequest target_request(const Options& options) {
  return {options.pids,       options.names, options.cgroups,
          options.containers, options.all,   options.follow_forks};
}

Result<void> choose_targets(const ProcFs& proc, const Options& options, TraceOptions& trace) {
  auto selection = TargetSelection::resolve(proc, target_request(options));
  if (!selection)
    return selection.error();
  trace.pids = options.pids;
  trace.selection = std::move(*selection);
  return {};
}

Result<std::optional<Pattern>> filter_of(const Options& options) {
  if (options.filter.empty())
    return std::optional<Pattern>();
  auto pattern = Pattern::compile(options.filter);
  if (!pattern)
    return pattern.error().in("--filter");
  return std::optional<Pattern>(std::move(*pattern));
}

Result<Suppressions> suppressions_of(const Options& options, bool builtin) {
  Suppressions all = builtin ? Suppressions::builtin() : Suppressions();
  for (const std::string& path : options.suppression_files) {
    auto loaded = Suppressions::load(path);
    if (!loaded)
      return loaded.error();
    all.add(std::move(*loaded));
  }
  return all;
}

} // namespace leakbpf
