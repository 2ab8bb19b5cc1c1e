// SPDX-License-Identifier: Apache-2.0
#include "kernel/page_faults.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace leakbpf {

namespace {

/// Of every process on the CPU, from when a program is attached.
UniqueFd open_page_faults(int cpu) {
  perf_event_attr attr{};
  attr.size = sizeof(attr);
  attr.type = PERF_TYPE_SOFTWARE;
  attr.config = PERF_COUNT_SW_PAGE_FAULTS;
  attr.sample_period = 1;
  attr.sample_type = PERF_SAMPLE_ADDR;
  attr.disabled = 1;
  const pid_t every_process = -1;
  const int no_group = -1;
  return UniqueFd(static_cast<int>(
      syscall(SYS_perf_event_open, &attr, every_process, cpu, no_group, PERF_FLAG_FD_CLOEXEC)));
}

Error page_faults_error(int error) {
  const bool rights = error == EPERM || error == EACCES;
  return Error{
      ExitCode::cannot_trace, fmt::format("cannot look at page faults: {}", std::strerror(error)),
      rights ? "run as root, or with CAP_BPF, CAP_PERFMON and CAP_SYS_PTRACE; Debian's kernels "
               "ask for CAP_SYS_ADMIN, too"
             : ""};
}

} // namespace

Result<void> PageFaults::attach_cpu(const bpf_program* program, int cpu) {
  UniqueFd event = open_page_faults(cpu);
  if (!event && errno == ENODEV) // the CPU is offline
    return {};
  if (!event)
    return page_faults_error(errno);
  UniqueFd counter(fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
  if (!counter)
    return page_faults_error(errno);
  bpf_link* link = bpf_program__attach_perf_event(program, event.get());
  if (!link)
    return page_faults_error(errno);
  event.release(); // the link's from here on
  links_.emplace_back(std::unique_ptr<bpf_link, BpfLinkCloser>(link));
  events_.push_back(std::move(counter));
  return {};
}

Result<PageFaults> PageFaults::attach(const bpf_program* program) {
  PageFaults faults;
  for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++)
    if (auto attached = faults.attach_cpu(program, cpu); !attached)
      return attached.error();
  return faults;
}

std::optional<std::uint64_t> PageFaults::count() const {
  std::uint64_t sum = 0;
  for (const UniqueFd& event : events_) {
    std::uint64_t count = 0;
    ssize_t got = 0;
    do
      got = read(event.get(), &count, sizeof(count));
    while (got < 0 && errno == EINTR);
    if (got != ssize_t{sizeof(count)})
      return std::nullopt;
    sum += count;
  }
  return sum;
}

} // namespace leakbpf
