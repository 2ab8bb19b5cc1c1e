// SPDX-License-Identifier: Apache-2.0
#include "target/memory_usage.h"

#include "target/kernel_file.h"

#include <filesystem>
#include <system_error>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::string_view resident_key = "VmRSS:";

bool has_memory(std::string_view status) {
  return number_after(status, resident_key).has_value();
}

/// The status of a thread that still has the process's memory: the main thread can end before the
/// others do, and /proc/PID/status is the main thread's.
Result<std::string> status_of_living_thread(const ProcFs& proc, pid_t pid) {
  std::error_code problem;
  for (std::filesystem::directory_iterator entry(proc.path(pid, "task"), problem), end;
       !problem && entry != end; entry.increment(problem)) {
    auto status = proc.read(pid, "task/" + entry->path().filename().string() + "/status");
    if (status && has_memory(*status))
      return status;
  }
  return Error{ExitCode::no_target, fmt::format("process {} has no memory of its own", pid),
               "it has ended, or is a kernel thread"};
}

} // namespace

Result<MemoryUsage> read_memory_usage(const ProcFs& proc, pid_t pid) {
  auto status = proc.read(pid, "status");
  if (status && !has_memory(*status))
    status = status_of_living_thread(proc, pid);
  if (!status)
    return status.error();
  const auto bytes = [&](std::string_view key) {
    return number_after(*status, key).value_or(0) * 1024;
  };
  MemoryUsage usage;
  usage.rss = bytes(resident_key);
  usage.anonymous = bytes("RssAnon:");
  usage.file = bytes("RssFile:");
  usage.shared = bytes("RssShmem:");
  usage.swap = bytes("VmSwap:"); // the kernel leaves it out when it has no swap
  usage.virtual_size = bytes("VmSize:");
  usage.threads = static_cast<unsigned>(number_after(*status, "Threads:").value_or(0));
  return usage;
}

} // namespace leakbpf
