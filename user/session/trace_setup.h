// SPDX-License-Identifier: Apache-2.0
// What a trace is begun with: the processes that are wanted, and a kernel side of their size.
#pragma once

#include "kernel/page_faults.h"
#include "session/trace_options.h"

#include <cstdint>
#include <vector>

#include <sys/types.h>

namespace leakbpf {

struct WantedProcesses {
  std::vector<pid_t> pids;
  std::uint64_t resident_bytes = 0;
};

/// Those that can be targets now. None is an error, unless others may come.
[[nodiscard]] Result<WantedProcesses> wanted_processes(const ProcFs& proc,
                                                       const TraceOptions& options);

/// What the kernel side is to be like for targets of this size, by what was asked for.
void configure_kernel(TraceOptions& options, std::uint64_t resident_bytes);

/// For later, where that can be had: one descriptor for each CPU.
[[nodiscard]] PageFaults open_page_faults(KernelConfig& config);

} // namespace leakbpf
