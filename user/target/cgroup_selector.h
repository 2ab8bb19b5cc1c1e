// SPDX-License-Identifier: Apache-2.0
// One cgroup that was asked for, and whether a process is in it.
#pragma once

#include "target/proc_fs.h"

#include <optional>
#include <string>
#include <vector>

namespace leakbpf {

class CgroupSelector {
public:
  /// `text` is a directory below /sys/fs/cgroup, or the path of a group as in /proc/PID/cgroup; its
  /// first '/' may be missing. Fails with ExitCode::no_target when there is no such group.
  [[nodiscard]] static Result<CgroupSelector> resolve(const ProcFs& proc, const std::string& text);

  /// `lines` are those of a process in the group, or in one below it.
  [[nodiscard]] bool contains(const std::vector<CgroupLine>& lines) const;

private:
  std::string path_;
  /// Of the hierarchy that it was found in; nothing: a group of this path in any of them.
  std::optional<std::string> controllers_;
};

} // namespace leakbpf
