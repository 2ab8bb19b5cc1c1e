// SPDX-License-Identifier: Apache-2.0
#include "target/seccomp.h"

#include "target/kernel_file.h"

#include <filesystem>
#include <system_error>

namespace leakbpf {

namespace {

/// By a thread's status. A kernel without seccomp shows no such line.
bool is_filtered(const Result<std::string>& status) {
  return status && number_after(*status, "Seccomp:").value_or(0) != 0;
}

} // namespace

bool is_seccomp_filtered(const ProcFs& proc, pid_t pid) {
  if (is_filtered(proc.read(pid, "status")))
    return true;
  std::error_code problem;
  for (std::filesystem::directory_iterator entry(proc.path(pid, "task"), problem), end;
       !problem && entry != end; entry.increment(problem))
    if (is_filtered(proc.read(pid, "task/" + entry->path().filename().string() + "/status")))
      return true;
  return false;
}

} // namespace leakbpf
