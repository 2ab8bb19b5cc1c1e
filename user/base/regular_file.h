// SPDX-License-Identifier: Apache-2.0
// Opens files that others chose the path of. A FIFO or a device is never opened, only looked at, so
// that nothing can make us wait or set off what opening a device does.
#pragma once

#include "base/unique_fd.h"

#include <leakbpf/result.h>

#include <string>

namespace leakbpf {

/// The regular file at `path`, for reading. Links are followed, also those of /proc/PID/fd and
/// /proc/PID/map_files. Fails with ExitCode::cannot_trace; errno is then that of the failed step,
/// or EINVAL when it is no regular file.
[[nodiscard]] Result<UniqueFd> open_regular(const std::string& path);

/// The same for `path` as a process sees it whose root directory is `root` ("/proc/PID/root";
/// empty: this machine's): neither ".." nor a symbolic link leads out of it (openat2,
/// RESOLVE_IN_ROOT).
[[nodiscard]] Result<UniqueFd> open_regular_in(const std::string& root, const std::string& path);

/// A folder, to be listed, found in the same way.
[[nodiscard]] Result<UniqueFd> open_folder_in(const std::string& root, const std::string& path);

/// A path of an open descriptor for this process: it leads to the file itself, whatever is at the
/// path by which that was opened.
[[nodiscard]] std::string descriptor_path(const UniqueFd& file);

} // namespace leakbpf
