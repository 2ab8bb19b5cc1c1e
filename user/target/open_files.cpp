// SPDX-License-Identifier: Apache-2.0
#include "target/open_files.h"

#include <filesystem>
#include <system_error>

namespace leakbpf {

std::optional<OpenFiles> count_open_files(const ProcFs& proc, pid_t pid) {
  constexpr std::uint64_t most = 100'000;
  std::error_code error;
  std::filesystem::directory_iterator entry(proc.path(pid, "fd"), error);
  if (error)
    return std::nullopt;
  OpenFiles open;
  for (const std::filesystem::directory_iterator end;
       entry != end && open.sockets + open.others < most; entry.increment(error)) {
    std::error_code gone;
    const std::string target = std::filesystem::read_symlink(entry->path(), gone).native();
    if (gone)
      continue;
    (target.starts_with("socket:") ? open.sockets : open.others)++;
  }
  return open;
}

} // namespace leakbpf
