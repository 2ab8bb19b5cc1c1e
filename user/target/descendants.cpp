// SPDX-License-Identifier: Apache-2.0
#include "target/descendants.h"

#include <algorithm>
#include <unordered_map>

namespace leakbpf {

std::vector<pid_t> descendants(const ProcFs& proc, std::span<const pid_t> ancestors) {
  const std::vector<pid_t> all = proc.processes();
  std::unordered_map<pid_t, pid_t> parents;
  for (const pid_t pid : all)
    if (const auto stat = proc.stat(pid))
      parents.emplace(pid, stat->ppid);
  const auto is_ancestor = [ancestors](pid_t pid) {
    return std::find(ancestors.begin(), ancestors.end(), pid) != ancestors.end();
  };
  std::vector<pid_t> found;
  for (const pid_t pid : all) {
    if (is_ancestor(pid))
      continue;
    auto parent = parents.find(pid);
    // As many steps as there are processes, in case what was read at several moments is a circle.
    for (std::size_t step = 0; parent != parents.end() && step < all.size(); step++) {
      if (is_ancestor(parent->second)) {
        found.push_back(pid);
        break;
      }
      parent = parents.find(parent->second);
    }
  }
  return found;
}

} // namespace leakbpf
