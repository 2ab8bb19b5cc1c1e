// SPDX-License-Identifier: Apache-2.0
// Finds where a path leads, in folders where others may have put links: as the kernel does with
// fs.protected_symlinks, protected_regular and protected_fifos, whatever these are set to.
#pragma once

#include "base/unique_fd.h"

#include <leakbpf/result.h>

#include <string>

#include <sys/stat.h>

namespace leakbpf {

/// A name in a folder that is held open, so that nothing on the way can be exchanged any more.
struct Place {
  UniqueFd folder;
  std::string name;
  UniqueFd file;       ///< what has that name, opened with O_PATH; none: nothing has it yet
  struct stat info {}; ///< of `file`
  bool is_open =
      false; ///< named by a descriptor of a process (/dev/stdout): has no place to replace

  [[nodiscard]] bool exists() const { return static_cast<bool>(file); }
};

/// Walks along `path`, through links too, to its last name, which need not exist. In a sticky
/// folder that everybody may write to, what belongs to neither us nor the folder's owner is not
/// followed, and not found. The message of a failure is the reason alone; ExitCode::io.
[[nodiscard]] Result<Place> find_place(const std::string& path);

/// The reason for a failure as a person reads it, and what can be done.
[[nodiscard]] Error file_error(int number);

/// Opens what `place` found, not something else that has its name meanwhile. -1 and errno.
[[nodiscard]] UniqueFd open_found(const Place& place, int flags);

} // namespace leakbpf
