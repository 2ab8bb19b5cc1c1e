// SPDX-License-Identifier: Apache-2.0
// The files with code that a process has mapped.
#pragma once

#include "base/unique_fd.h"
#include "target/proc_fs.h"

#include <leakbpf/result.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace leakbpf {

/// A file that a process has mapped.
struct MappedFile {
  std::uint64_t device = 0; ///< as /proc/PID/maps tells it
  std::uint64_t inode = 0;
  std::string path; ///< as the target sees it; another file may be there by now
  pid_t pid = 0;    ///< who has it mapped, from `start` to `end`; 0: nobody yet
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::string root; ///< the root directory of that process, as a path of ours
  /// A path that leads to the file itself as long as its opener holds it (descriptor_path); empty:
  /// it was not opened yet.
  std::string open_path;
};

/// The files of `mappings` that have code in them, each once.
[[nodiscard]] std::vector<MappedFile> executable_files(const ProcFs& proc, pid_t pid,
                                                       std::span<const Mapping> mappings);

/// Opens the file that is mapped, whatever has taken its path since: by the kernel's own link to
/// it, or by a path that leads to the same file. Never waits: what is no regular file is not
/// opened. Fails with ExitCode::no_target when it is mapped no more.
[[nodiscard]] Result<UniqueFd> open_mapped_file(const ProcFs& proc, const MappedFile& file);

} // namespace leakbpf
