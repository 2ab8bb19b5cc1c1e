// SPDX-License-Identifier: Apache-2.0
#include "target/process.h"

#include "base/unique_fd.h"
#include "target/container.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <sstream>

#include <elf.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace leakbpf {

namespace {

/// What /proc/PID/status calls `key`: one number, or one for each PID namespace, the reader's
/// first. Line by line, since the process's own name stands in one of them.
std::vector<pid_t> numbers_of(const std::string& status, std::string_view key) {
  std::vector<pid_t> numbers;
  std::istringstream lines(status);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    if (std::string word; !(words >> word) || word != key)
      continue;
    for (pid_t number = 0; words >> number;)
      numbers.push_back(number);
    break;
  }
  return numbers;
}

/// Why the program of a process cannot be read: a process that is ending has none any more, some
/// time before its state says so.
Error unreadable_program(const ProcessInfo& process, int error) {
  if (error == ENOENT || error == ESRCH)
    return Error{ExitCode::no_target, fmt::format("PID {} has ended", process.pid), ""};
  return Error{ExitCode::cannot_trace,
               fmt::format("cannot read the program of PID {} ({}): {}", process.pid, process.comm,
                           std::strerror(error)),
               "run as root, or with CAP_SYS_PTRACE"};
}

Result<void> check_elf_class(const ProcFs& proc, const ProcessInfo& process) {
  std::array<char, EI_NIDENT> ident{};
  const UniqueFd file(open(proc.path(process.pid, "exe").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file)
    return unreadable_program(process, errno);
  const ssize_t length = read(file.get(), ident.data(), ident.size());
  if (length < static_cast<ssize_t>(ident.size()))
    return unreadable_program(process, length < 0 ? errno : EIO);
  if (ident[EI_CLASS] == ELFCLASS32)
    return Error{ExitCode::no_target,
                 fmt::format("PID {} ({}) is a 32-bit process, which leakbpf cannot trace",
                             process.pid, process.comm),
                 ""};
  return {};
}

std::string start_time(const ProcFs& proc, std::uint64_t start_ticks) {
  const std::uint64_t boot = proc.boot_time();
  if (boot == 0)
    return "";
  return rfc3339(boot + start_ticks / static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK)));
}

} // namespace

std::string rfc3339(std::uint64_t seconds_since_epoch) {
  const auto seconds = static_cast<std::time_t>(seconds_since_epoch);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

Result<ProcessInfo> inspect_process(const ProcFs& proc, pid_t pid) {
  auto stat = proc.stat(pid);
  if (!stat)
    return stat.error();
  if (stat->kernel_thread)
    return Error{
        ExitCode::no_target,
        fmt::format("PID {} ({}) is a kernel thread; it has no user-space heap", pid, stat->comm),
        ""};
  if (stat->state == 'Z' && !stat->has_ended())
    return Error{ExitCode::no_target,
                 fmt::format("the main thread of PID {} ({}) has ended while others go on: its "
                             "memory cannot be read",
                             pid, stat->comm),
                 "attach earlier, or use `leakbpf run -- COMMAND`"};
  if (stat->has_ended())
    return Error{ExitCode::no_target, fmt::format("PID {} ({}) has ended", pid, stat->comm),
                 "it is a zombie: its parent has not reaped it yet"};
  const auto read_status = proc.read(pid, "status");
  const std::string status = read_status ? *read_status : "";
  if (const auto group = numbers_of(status, "Tgid:"); !group.empty() && group.front() != pid)
    return Error{ExitCode::no_target,
                 fmt::format("{} is a thread of PID {}, not a process", pid, group.front()),
                 fmt::format("use -p {}", group.front())};
  ProcessInfo process;
  process.pid = pid;
  process.ppid = stat->ppid;
  process.comm = stat->comm;
  process.command_line = proc.command_line(pid);
  process.executable = proc.link(pid, "exe");
  process.cgroup = proc.cgroup(pid);
  process.container = inspect_container(proc, pid);
  if (const auto pids = numbers_of(status, "NSpid:"); pids.size() > 1)
    process.namespaced_pid = pids.back();
  process.start_ticks = stat->start_ticks;
  process.page_faults = stat->page_faults;
  process.start_stack = stat->start_stack;
  process.started_at = start_time(proc, stat->start_ticks);
  if (auto checked = check_elf_class(proc, process); !checked)
    return checked.error();
  return process;
}

} // namespace leakbpf
