// SPDX-License-Identifier: Apache-2.0
#include "cli/trace_options.h"

#include <algorithm>

namespace leakbpf {

namespace {

bool kind_wanted(const Options& options, const char* kind) {
  return options.kinds.empty() ||
         std::find(options.kinds.begin(), options.kinds.end(), kind) != options.kinds.end();
}

bool ranks_before(SortOrder order, const SiteReport& a, const SiteReport& b) {
  const auto measure = [order](const SiteReport& site) {
    switch (order) {
    case SortOrder::growth:
      return site.growth_bytes_per_minute.value_or(0);
    case SortOrder::count:
      return static_cast<double>(site.totals.outstanding_count());
    case SortOrder::age:
      return site.oldest_age_seconds.value_or(-1);
    default:
      return static_cast<double>(site.totals.outstanding_bytes());
    }
  };
  if (const double first = measure(a), second = measure(b); first != second)
    return first > second;
  if (a.totals.outstanding_bytes() != b.totals.outstanding_bytes())
    return a.totals.outstanding_bytes() > b.totals.outstanding_bytes();
  return a.key < b.key;
}

} // namespace

TraceOptions trace_options(const Options& options, const Console& console) {
  TraceOptions trace;
  trace.pids = options.pids;
  // Every Python object has a stack: the import of a few modules has tens of thousands.
  trace.kernel.max_stacks =
      options.max_stacks.value_or(options.python_malloc ? 1U << 18 : 1U << 15);
  trace.kernel.max_frames = options.max_depth;
  trace.kernel.min_size = options.min_size;
  trace.kernel.max_size = options.max_size;
  trace.kernel.follow_forks = options.follow_forks;
  trace.kernel.heap = kind_wanted(options, "heap");
  trace.kernel.mmap = kind_wanted(options, "mmap");
  trace.kernel.brk = kind_wanted(options, "brk");
  trace.kernel.python = kind_wanted(options, "python");
  // A command's size is not known before it runs; the table takes room only as it fills.
  trace.max_live = options.max_live;
  if (options.command == Command::run && !trace.max_live)
    trace.max_live = 1U << 22;
  trace.backend = options.backend;
  trace.hints = {options.objects, options.symbol_prefix};
  trace.python = !options.no_python;
  trace.group_by = options.group_by;
  trace.unwind_cache = !options.no_cache;
  trace.sample_bytes = options.exact ? 1 : options.sample_bytes;
  trace.min_age_seconds = options.min_age_seconds;
  trace.warn = [&console](const std::string& text) { console.warn(text); };
  trace.inform = [&console](const std::string& text) { console.inform(text); };
  return trace;
}

std::function<bool(const SiteReport&, const SiteReport&)> order_of(const Options& options) {
  return [sort = options.sort](const SiteReport& a, const SiteReport& b) {
    return ranks_before(sort, a, b);
  };
}

} // namespace leakbpf
