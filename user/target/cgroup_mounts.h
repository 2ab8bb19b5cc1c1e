// SPDX-License-Identifier: Apache-2.0
// Where the files of cgroups lie on this machine: v1, v2 or a mixture.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace leakbpf {

/// A mount of a hierarchy of cgroups.
struct CgroupMount {
  std::string root;      ///< the group that is at its top; "/" when the whole hierarchy is mounted
  std::string directory; ///< where it is mounted

  friend bool operator==(const CgroupMount&, const CgroupMount&) = default;
};

/// A mount, and which hierarchy it shows.
struct CgroupMountLine {
  CgroupMount mount;
  bool unified = false; ///< v2
  std::string options;  ///< among them, of v1, the names of its controllers

  /// `controllers` are those of a line of /proc/PID/cgroup.
  [[nodiscard]] bool shows(std::string_view controllers) const;
};

/// The mounts of cgroups in the text of /proc/PID/mountinfo (proc(5)); what is hidden below another
/// mount is left out.
[[nodiscard]] std::vector<CgroupMountLine> parse_cgroup_mounts(std::string_view mountinfo);

/// `options` is a list with commas.
[[nodiscard]] bool has_option(std::string_view options, std::string_view wanted);

/// `path` relative to the group `root`, "" or beginning with '/'; nothing when it is not below it,
/// or only known by its way out of the reader's cgroup namespace.
[[nodiscard]] std::optional<std::string_view> path_below(std::string_view path,
                                                         std::string_view root);

} // namespace leakbpf
