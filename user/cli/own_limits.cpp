// SPDX-License-Identifier: Apache-2.0
#include "cli/own_limits.h"

#include "base/own_memory.h"
#include "base/own_rights.h"
#include "cli/full_screen.h"
#include "cli/trace_options.h"
#include "target/memory_limit.h"

#include <unistd.h>

namespace leakbpf {

namespace {

void limit_memory(const Options& options) {
  const ProcFs proc;
  const auto given = MemoryLimits(proc).read(getpid());
  limit_own_memory(options.max_memory.value_or(default_own_memory(given ? given->limit.bytes : 0)));
}

WantedRights tracing_rights(const Options& options) {
  WantedRights wanted;
  wanted.tracing = true;
  wanted.output_file =
      !options.output.empty() || (options.command == Command::top && can_show_full_screen(options));
  wanted.signals = options.command == Command::run;
  return wanted;
}

} // namespace

Result<void> begin_tracing_limits(const Options& options) {
  limit_memory(options);
  WantedRights wanted = tracing_rights(options);
  wanted.administration = true;
  wanted.limits = true;
  return keep_only(wanted);
}

Result<void> keep_rights_for(const Options& options, Backend backend) {
  WantedRights wanted = tracing_rights(options);
  // Debian's kernels give no perf event to CAP_PERFMON alone.
  wanted.administration = backend == Backend::perf || wants_pages(options);
  return keep_only(wanted);
}

Result<void> begin_file_limits(const Options& options) {
  limit_memory(options);
  WantedRights wanted;
  wanted.output_file = !options.output.empty();
  return keep_only(wanted);
}

} // namespace leakbpf
