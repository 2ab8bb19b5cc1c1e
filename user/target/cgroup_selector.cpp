// SPDX-License-Identifier: Apache-2.0
#include "target/cgroup_selector.h"

#include "target/cgroup_mounts.h"
#include "target/kernel_file.h"

#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

namespace leakbpf {

namespace {

constexpr std::string_view usual_mount = "/sys/fs/cgroup";

/// "/a/b" of "a//b/".
std::string as_group_path(std::string_view text) {
  std::string path = std::filesystem::path("/" + std::string(text)).lexically_normal().string();
  path.erase(0, std::min(path.find_first_not_of('/'), path.size()));
  while (path.ends_with('/'))
    path.pop_back();
  return "/" + path;
}

std::string join(const std::string& root, std::string_view rest) {
  return (root == "/" ? "" : root) + std::string(rest);
}

/// `path` as far as the reader sees it: "/a" of "/../../a", which lies outside of the reader's own
/// cgroup namespace.
std::string_view without_way_out(std::string_view path) {
  constexpr std::string_view outwards = "/..";
  while (path == outwards || path.starts_with("/../"))
    path.remove_prefix(outwards.size());
  return path;
}

Error no_such_cgroup(const std::string& text) {
  return {ExitCode::no_target, fmt::format("there is no cgroup {}", text),
          "`systemd-cgls` lists them; `cat /proc/PID/cgroup` shows that of a process"};
}

/// What /proc/PID/cgroup calls the hierarchy of a mount: it has the same ones for every process.
std::optional<std::string> controllers_of(const CgroupMountLine& line,
                                          const std::vector<CgroupLine>& of_any) {
  for (const CgroupLine& hierarchy : of_any)
    if (line.shows(hierarchy.controllers))
      return hierarchy.controllers;
  return std::nullopt;
}

bool exists_in(const std::vector<CgroupMountLine>& mounts, const std::string& path) {
  return std::any_of(mounts.begin(), mounts.end(), [&](const CgroupMountLine& line) {
    const auto rest = path_below(path, line.mount.root);
    std::error_code ignored;
    return rest &&
           std::filesystem::is_directory(line.mount.directory + std::string(*rest), ignored);
  });
}

} // namespace

Result<CgroupSelector> CgroupSelector::resolve(const ProcFs& proc, const std::string& text) {
  const auto mounts =
      parse_cgroup_mounts(read_kernel_file(proc.path("self/mountinfo")).value_or(""));
  CgroupSelector selector;
  std::error_code error;
  const auto directory = std::filesystem::canonical(text, error);
  if (!error && std::filesystem::is_directory(directory, error)) {
    for (const CgroupMountLine& line : mounts) {
      const std::string place = directory.string();
      const auto rest = path_below(place, line.mount.directory);
      if (!rest)
        continue;
      selector.path_ = as_group_path(join(line.mount.root, *rest));
      if (line.mount.root.starts_with(
              "/..")) // of another cgroup namespace: kept as the kernel does
        selector.path_ = join(line.mount.root, *rest);
      selector.controllers_ = controllers_of(line, proc.cgroups(proc.self()));
      return selector;
    }
  }
  if (path_below(text, usual_mount))
    return no_such_cgroup(text);
  selector.path_ = as_group_path(text);
  if (exists_in(mounts, selector.path_))
    return selector;
  // It may be out of sight, in a container that shares the machine's PIDs and not its cgroups.
  const std::vector<pid_t> pids = proc.processes();
  if (std::any_of(pids.begin(), pids.end(),
                  [&](pid_t pid) { return selector.contains(proc.cgroups(pid)); }))
    return selector;
  return no_such_cgroup(text);
}

bool CgroupSelector::contains(const std::vector<CgroupLine>& lines) const {
  return std::any_of(lines.begin(), lines.end(), [&](const CgroupLine& line) {
    if (controllers_)
      return line.controllers == *controllers_ && path_below(line.path, path_).has_value();
    return path_below(line.path, path_).has_value() ||
           path_below(without_way_out(line.path), path_).has_value();
  });
}

} // namespace leakbpf
