// SPDX-License-Identifier: Apache-2.0
#include "target/cgroup_mounts.h"

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

/// "36 35 98:0 /root /mount/point rw,noatime shared:1 - type source rw,memory"; nothing when the
/// line is damaged or of another type.
std::optional<CgroupMountLine> parse_mount(std::string_view line) {
  CgroupMountLine parsed;
  for (int field = 0; field < 3; field++) // ID, parent, device
    take(line, ' ');
  parsed.mount.root = unescape(take(line, ' '));
  parsed.mount.directory = unescape(take(line, ' '));
  constexpr std::string_view separator = " - ";
  const std::size_t end_of_options = line.find(separator);
  if (end_of_options == std::string_view::npos)
    return std::nullopt;
  line.remove_prefix(end_of_options + separator.size());
  const std::string_view type = take(line, ' ');
  if (type != "cgroup" && type != "cgroup2")
    return std::nullopt;
  parsed.unified = type == "cgroup2";
  take(line, ' '); // source
  parsed.options = line;
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

} // namespace

bool CgroupMountLine::shows(std::string_view controllers) const {
  if (unified || controllers.empty())
    return unified && controllers.empty();
  return has_option(options, take(controllers, ','));
}

std::vector<CgroupMountLine> parse_cgroup_mounts(std::string_view mountinfo) {
  std::vector<CgroupMountLine> mounts;
  while (!mountinfo.empty())
    if (auto line = parse_mount(take(mountinfo, '\n')); line && shows_groups(line->mount))
      mounts.push_back(std::move(*line));
  return mounts;
}

bool has_option(std::string_view options, std::string_view wanted) {
  while (!options.empty())
    if (take(options, ',') == wanted)
      return true;
  return false;
}

std::optional<std::string_view> path_below(std::string_view path, std::string_view root) {
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

} // namespace leakbpf
