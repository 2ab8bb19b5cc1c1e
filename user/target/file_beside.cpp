// SPDX-License-Identifier: Apache-2.0
#include "target/file_beside.h"

#include "base/regular_file.h"
#include "target/device_number.h"
#include "target/file_mapping.h"

#include <memory>
#include <set>

#include <dirent.h>
#include <sys/stat.h>

namespace leakbpf {

namespace {

constexpr std::size_t most_folders = 32;
constexpr std::size_t most_names = 8192;
constexpr std::size_t most_candidates = 8; // each is opened

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};
using Folder = std::unique_ptr<DIR, CloseFolder>;

std::set<std::string> folders_of(std::span<const Mapping> mappings) {
  std::set<std::string> folders;
  for (const Mapping& mapping : mappings)
    if (mapping.executable && mapping.path.starts_with('/') && folders.size() < most_folders)
      folders.insert(mapping.path.substr(0, mapping.path.rfind('/') + 1));
  return folders;
}

/// A folder's entry tells the inode alone.
bool is_the_one(const UniqueFd& file, std::uint64_t device, std::uint64_t inode) {
  struct stat info {};
  if (fstat(file.get(), &info) != 0 || info.st_ino != inode)
    return false;
  if (device_of_stat(info.st_dev) == device)
    return true;
  const auto shown = as_mapped(file);
  return shown && shown->device == device && shown->inode == inode;
}

} // namespace

std::string find_beside(const ProcFs& proc, pid_t pid, std::uint64_t device, std::uint64_t inode,
                        std::span<const Mapping> mappings) {
  const std::string root = proc.path(pid, "root");
  std::size_t names = 0;
  std::size_t candidates = 0;
  for (const std::string& path : folders_of(mappings)) {
    auto opened = open_folder_in(root, path);
    const Folder folder(opened ? fdopendir(opened->get()) : nullptr);
    if (folder)
      opened->release();
    while (folder && names < most_names) {
      const dirent* const entry = readdir(folder.get());
      if (!entry)
        break;
      names++;
      if (entry->d_ino != inode || candidates++ >= most_candidates)
        continue;
      std::string found = path + entry->d_name;
      if (const auto file = open_regular_in(root, found); file && is_the_one(*file, device, inode))
        return found;
    }
  }
  return "";
}

} // namespace leakbpf
