// SPDX-License-Identifier: Apache-2.0
#include "session/trace_setup.h"

#include "base/descriptor_limit.h"
#include "target/kernel_file.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <sys/sysinfo.h>

namespace leakbpf {

namespace {

/// Room for the blocks of processes of this size: one for each 128 bytes, or, where one is followed
/// each `mean_bytes`, for several times as many as that makes; within limits that cost 4 to 64 MiB
/// of kernel memory before the first block.
std::uint32_t live_table_size(std::uint64_t resident_bytes, std::uint64_t mean_bytes) {
  constexpr std::uint64_t smallest = 1 << 18;
  constexpr std::uint64_t largest = 1 << 22;
  const std::uint64_t bytes_of_one = std::clamp<std::uint64_t>(mean_bytes / 16, 128, 4096);
  return static_cast<std::uint32_t>(std::clamp(resident_bytes / bytes_of_one, smallest, largest));
}

/// As many of them as an eighth of the memory that is left can hold, when the table is full.
std::uint32_t fit_into_memory(std::uint32_t blocks) {
  constexpr std::uint64_t bytes_of_one = 128; // of kernel memory, with its share of the buckets
  constexpr std::uint64_t fewest = 1 << 16;
  const auto available =
      number_after(read_kernel_file("/proc/meminfo").value_or(""), "MemAvailable:");
  if (!available)
    return blocks;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(blocks, std::max(*available * 1024 / 8 / bytes_of_one, fewest)));
}

} // namespace

void configure_kernel(TraceOptions& options, std::uint64_t resident_bytes) {
  KernelConfig& kernel = options.kernel;
  kernel.sample_bytes = options.limits.mean_bytes;
  kernel.watch = options.selection.takes_new();
  // Windows would keep costs down that only these two have.
  if (!kernel.heap && !kernel.python)
    options.limits.per_target = options.limits.total = 0;
  kernel.windows = options.limits.per_target > 0 || options.limits.total > 0;
  const std::uint32_t wanted =
      options.max_live.value_or(live_table_size(resident_bytes, options.limits.mean_bytes));
  kernel.max_live = fit_into_memory(wanted);
  if (kernel.max_live < wanted)
    options.inform(
        fmt::format("tracking at most {} blocks, not {}: this machine has little memory left",
                    kernel.max_live, wanted));
}

Result<WantedProcesses> wanted_processes(const ProcFs& proc, const TraceOptions& options) {
  std::vector<pid_t> asked = options.selection.matching(proc);
  for (const pid_t pid : options.pids)
    if (std::find(asked.begin(), asked.end(), pid) == asked.end())
      asked.push_back(pid);
  WantedProcesses wanted;
  std::optional<Error> first_error;
  for (const pid_t pid : asked) {
    if (auto process = inspect_process(proc, pid); process) {
      wanted.pids.push_back(pid);
      if (const auto bytes = proc.resident_bytes(pid))
        wanted.resident_bytes += *bytes;
    } else {
      first_error = first_error.value_or(process.error());
      if (asked.size() > 1 && !options.selection.takes_new())
        options.warn(process.error().message);
    }
  }
  if (wanted.pids.empty() && !options.selection.takes_new())
    return first_error.value_or(Error{ExitCode::usage, "no target given", "use -p PID"});
  return wanted;
}

PageFaults open_page_faults(KernelConfig& config) {
  config.pages_on_demand =
      config.pages_on_demand && can_spare_descriptors(static_cast<std::size_t>(get_nprocs_conf()));
  if (!config.pages_on_demand)
    return {};
  auto opened = PageFaults::open();
  config.pages_on_demand = static_cast<bool>(opened);
  return opened ? *std::move(opened) : PageFaults();
}

} // namespace leakbpf
