// SPDX-License-Identifier: Apache-2.0
// Where the files of the memory controller's cgroups lie on this machine: v1, v2 or a mixture.
#pragma once

#include "target/cgroup_mounts.h"

#include <string>
#include <string_view>
#include <vector>

namespace leakbpf {

enum class CgroupVersion { v1, v2 };

struct MemoryGroup {
  std::string path;      ///< as in /proc/PID/cgroup
  std::string directory; ///< of its files

  friend bool operator==(const MemoryGroup&, const MemoryGroup&) = default;
};

class MemoryHierarchy {
public:
  /// By the text of /proc/PID/mountinfo (proc(5)). The v1 controller's mounts when there are any,
  /// else those of the unified hierarchy; what is hidden below another mount is left out.
  explicit MemoryHierarchy(std::string_view mountinfo);

  [[nodiscard]] CgroupVersion version() const { return version_; }
  [[nodiscard]] const std::vector<CgroupMount>& mounts() const { return mounts_; }
  /// The group with this path in /proc/PID/cgroup and those that it lies in, innermost first, as
  /// far out as they are mounted. Empty when it is not: it belongs to another cgroup namespace or
  /// to a part that was not mounted. The groups need not exist any more.
  [[nodiscard]] std::vector<MemoryGroup> groups(const std::string& path) const;

private:
  CgroupVersion version_ = CgroupVersion::v2;
  std::vector<CgroupMount> mounts_; ///< those that show most of the hierarchy first
};

} // namespace leakbpf
