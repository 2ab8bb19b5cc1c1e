// SPDX-License-Identifier: Apache-2.0
#include "target/memory_groups.h"

#include <algorithm>

namespace leakbpf {

MemoryHierarchy::MemoryHierarchy(std::string_view mountinfo) {
  std::vector<CgroupMount> unified;
  for (CgroupMountLine& line : parse_cgroup_mounts(mountinfo))
    if (line.unified)
      unified.push_back(std::move(line.mount));
    else if (has_option(line.options, "memory"))
      mounts_.push_back(std::move(line.mount));
  // The controller is in one hierarchy only: a v1 mount of it means that the unified one has none.
  if (!mounts_.empty())
    version_ = CgroupVersion::v1;
  else
    mounts_ = std::move(unified);
  std::stable_sort(mounts_.begin(), mounts_.end(), [](const CgroupMount& a, const CgroupMount& b) {
    return a.root.size() < b.root.size();
  });
}

std::vector<MemoryGroup> MemoryHierarchy::groups(const std::string& path) const {
  std::vector<MemoryGroup> groups;
  if (path.empty())
    return groups;
  for (const CgroupMount& mount : mounts_) {
    std::optional<std::string_view> rest = path_below(path, mount.root);
    if (!rest)
      continue;
    for (; !rest->empty(); rest = rest->substr(0, rest->rfind('/')))
      groups.push_back({(mount.root == "/" ? "" : mount.root) + std::string(*rest),
                        mount.directory + std::string(*rest)});
    groups.push_back({mount.root, mount.directory});
    break;
  }
  return groups;
}

} // namespace leakbpf
