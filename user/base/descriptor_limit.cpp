// SPDX-License-Identifier: Apache-2.0
#include "base/descriptor_limit.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <optional>
#include <string>

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace leakbpf {

namespace {

std::optional<rlim_t> kernel_limit(const char* name) {
  std::ifstream file(std::string("/proc/sys/fs/") + name);
  rlim_t limit = 0;
  return file >> limit ? std::optional(limit) : std::nullopt;
}

} // namespace

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
    return;
  const rlim_t most = std::max(kernel_limit("nr_open").value_or(0), limit.rlim_max);
  const rlimit highest{most, most};
  if (setrlimit(RLIMIT_NOFILE, &highest) == 0)
    return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

bool are_descriptors_scarce() {
  constexpr rlim_t reserve = 12;
  rlimit limit{};
  const int lowest = open("/", O_PATH | O_CLOEXEC); // all below are in use
  if (lowest < 0)
    return is_descriptor_shortage(errno);
  close(lowest);
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
         static_cast<rlim_t>(lowest) + reserve > limit.rlim_cur;
}

bool can_spare_descriptors(std::size_t count) {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 && count <= limit.rlim_cur / 8;
}

bool is_descriptor_shortage(int error) {
  return error == EMFILE || error == ENFILE;
}

Error descriptor_shortage(int error) {
  Error shortage{ExitCode::cannot_trace, "too many open files", ""};
  shortage.system_error = error;
  rlimit limit{};
  if (error == ENFILE) {
    shortage.message += " on this machine: the limit is fs.file-max";
    shortage.hint = "`sysctl fs.file-nr` shows how many there are";
  } else if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    shortage.message += ": the limit is " + std::to_string(limit.rlim_cur) + " (ulimit -n)";
    shortage.hint = "raise it: `ulimit -n 4096`, or LimitNOFILE= of a systemd service";
  }
  return shortage;
}

} // namespace leakbpf
