// SPDX-License-Identifier: Apache-2.0
#include "target/memory_groups.h"

#include <algorithm>

#include <unistd.h>

namespace leakbpf {

namespace {

/// Takes what comes before the next `separator` off the front of `rest`.
std::string_view take(std::string_view& rest, char separator) {
  const std::string_view word = rest.substr(0, rest.find(separator));
  rest.remove_prefix(std::min(word.size() + 1, rest.size()));
  return word;
}

/// A path in mountinfo has blanks, line ends and backslashes as "\040": three octal digits.
std::string unescape(std::string_view text) {
  const auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  std::string path;
  for (std::size_t i = 0; i < text.size(); i++) {
    if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) && is_octal(text[i + 2]) &&
        is_octal(text[i + 3])) {
      path += static_cast<char>((text[i + 1] - '0') << 6 | (text[i + 2] - '0') << 3 |
                                (text[i + 3] - '0'));
      i += 3;
    } else {
      path += text[i];
    }
  }
  return path;
}

bool has_option(std::string_view options, std::string_view wanted) {
  while (!options.empty())
    if (take(options, ',') == wanted)
      return true;
  return false;
}

struct MountLine {
  CgroupMount mount;
  std::string_view type;
  std::string_view super_options;
};

/// "36 35 98:0 /root /mount/point rw,noatime shared:1 - type source rw,memory"; an empty type when
/// the line is damaged.
MountLine parse_mount(std::string_view line) {
  MountLine parsed;
  for (int field = 0; field < 3; field++) // ID, parent, device
    take(line, ' ');
  parsed.mount.root = unescape(take(line, ' '));
  parsed.mount.directory = unescape(take(line, ' '));
  constexpr std::string_view separator = " - ";
  const std::size_t end_of_options = line.find(separator);
  if (end_of_options == std::string_view::npos)
    return parsed;
  line.remove_prefix(end_of_options + separator.size());
  parsed.type = take(line, ' ');
  take(line, ' '); // source
  parsed.super_options = line;
  return parsed;
}

/// Every group has this file: without it something else was mounted over the directory.
bool shows_groups(const CgroupMount& mount) {
  return access((mount.directory + "/cgroup.procs").c_str(), F_OK) == 0;
}

bool has_parent_reference(std::string_view path) {
  while (!path.empty())
    if (take(path, '/') == "..")
      return true;
  return false;
}

/// `path` relative to the group `root`, "" or beginning with '/'; nothing when it is not below it.
std::optional<std::string_view> below(std::string_view path, std::string_view root) {
  if (root == "/")
    root = "";
  if (!path.starts_with(root))
    return std::nullopt;
  path.remove_prefix(root.size());
  if (path == "/")
    path = "";
  if (!path.empty() && path.front() != '/')
    return std::nullopt;
  // A group outside the reader's cgroup namespace: its real path is not known.
  if (has_parent_reference(path))
    return std::nullopt;
  return path;
}

} // namespace

MemoryHierarchy::MemoryHierarchy(std::string_view mountinfo) {
  std::vector<CgroupMount> unified;
  while (!mountinfo.empty()) {
    MountLine line = parse_mount(take(mountinfo, '\n'));
    const bool v1 = line.type == "cgroup" && has_option(line.super_options, "memory");
    if ((v1 || line.type == "cgroup2") && shows_groups(line.mount))
      (v1 ? mounts_ : unified).push_back(std::move(line.mount));
  }
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
    std::optional<std::string_view> rest = below(path, mount.root);
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
