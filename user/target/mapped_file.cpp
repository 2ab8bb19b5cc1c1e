// SPDX-License-Identifier: Apache-2.0
#include "target/mapped_file.h"

#include "base/descriptor_limit.h"
#include "base/regular_file.h"
#include "target/device_number.h"
#include "target/file_mapping.h"

#include <cerrno>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <sys/stat.h>

namespace leakbpf {

namespace {

bool is_mapped_as(const UniqueFd& opened, const MappedFile& file) {
  const auto mapping = as_mapped(opened);
  return mapping && mapping->device == file.device && mapping->inode == file.inode;
}

/// Somebody may have put another file, or a link to one, where the mapped one was.
bool is_the_mapped_one(const UniqueFd& opened, const MappedFile& file) {
  struct stat info {};
  if (fstat(opened.get(), &info) != 0)
    return false;
  return (device_of_stat(info.st_dev) == file.device && info.st_ino == file.inode) ||
         is_mapped_as(opened, file);
}

Error mapped_no_more(const MappedFile& file) {
  return Error{ExitCode::no_target,
               fmt::format("{} is mapped no more", file.path.empty() ? "a file" : file.path), ""};
}

} // namespace

std::vector<MappedFile> executable_files(const ProcFs& proc, pid_t pid,
                                         std::span<const Mapping> mappings) {
  std::vector<MappedFile> files;
  std::set<std::pair<std::uint64_t, std::uint64_t>> seen;
  for (const Mapping& mapping : mappings) {
    if (!mapping.executable || mapping.inode == 0 || !mapping.path.starts_with('/'))
      continue;
    if (seen.emplace(mapping.device, mapping.inode).second)
      files.push_back({mapping.device, mapping.inode, mapping.path, pid, mapping.start, mapping.end,
                       proc.path(pid, "root"), ""});
  }
  return files;
}

Result<UniqueFd> open_mapped_file(const ProcFs& proc, const MappedFile& file) {
  // The link needs CAP_CHECKPOINT_RESTORE; it is right in every mount namespace, and when the file
  // was deleted.
  auto linked =
      open_regular(proc.path(file.pid, fmt::format("map_files/{:x}-{:x}", file.start, file.end)));
  if (!linked && is_descriptor_shortage(linked.error()))
    return linked;
  const bool may_follow = linked || (errno != EPERM && errno != EACCES);
  if (linked && is_the_mapped_one(*linked, file))
    return linked;
  if (file.path.empty())
    return may_follow ? mapped_no_more(file) : linked.error();
  auto in_root = open_regular_in(file.root, file.path);
  if (in_root && is_the_mapped_one(*in_root, file))
    return in_root;
  // A process that has ended has no root any more.
  auto here = open_regular_in("", file.path);
  if (here && is_the_mapped_one(*here, file))
    return here;
  return may_follow || in_root ? mapped_no_more(file) : in_root.error();
}

} // namespace leakbpf
