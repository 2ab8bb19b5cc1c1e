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

Result<PageFaults> PageFaults::open() {
  PageFaults faults;
  for (int cpu = 0; cpu < libbpf_num_possible_cpus(); cpu++) {
    UniqueFd event = open_page_faults(cpu);
    if (event)
      faults.events_.push_back(std::move(event));
    else if (errno != ENODEV) // the CPU is offline
      return page_faults_error(errno);
  }
  return faults;
}

Result<void> PageFaults::attach(const bpf_program* program) {
  std::vector<Link> links;
  for (const UniqueFd& event : events_) {
    UniqueFd of_link(fcntl(event.get(), F_DUPFD_CLOEXEC, 0));
    if (!of_link)
      return page_faults_error(errno);
    bpf_link* link = bpf_program__attach_perf_event(program, of_link.get());
    if (!link)
      return page_faults_error(errno);
    of_link.release(); // the link's from here on
    links.emplace_back(std::unique_ptr<bpf_link, BpfLinkCloser>(link));
  }
  links_ = std::move(links);
  return {};
}

std::optional<std::uint64_t> PageFaults::count() const {
  std::uint64_t sum = 0;
  if (links_.empty()) // nothing is counted yet
    return sum;
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
