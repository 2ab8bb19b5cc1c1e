// SPDX-License-Identifier: Apache-2.0
#include "symbol/debug_file.h"

#include <climits>
#include <cstdint>
#include <utility>
#include <vector>

#include <elfutils/libdwelf.h>
#include <unistd.h>

namespace leakbpf {

namespace {

constexpr const char* debug_directory = "/usr/lib/debug";

/// `root` and this machine's own root, without saying the same twice.
std::vector<std::string> roots(std::string root) {
  while (!root.empty() && root.back() == '/')
    root.pop_back();
  if (root.empty())
    return {""};
  return {root, ""};
}

std::string build_id_path(const std::string& build_id) {
  return std::string(debug_directory) + "/.build-id/" + build_id.substr(0, 2) + "/" +
         build_id.substr(2) + ".debug";
}

/// Where a file is as its own process sees it: without the root that we reach it through, and for
/// /proc/PID/exe and /proc/PID/map_files/RANGE where the link leads.
std::string path_inside(const std::string& path, const std::string& root) {
  if (!root.empty() && path.compare(0, root.size(), root) == 0)
    return path.substr(root.size());
  const bool magic = path.compare(0, 6, "/proc/") == 0 &&
                     (path.find("/map_files/") != std::string::npos ||
                      (path.size() > 4 && path.compare(path.size() - 4, 4, "/exe") == 0));
  if (!magic)
    return path;
  std::string target(PATH_MAX, '\0');
  const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
  if (length <= 0)
    return path;
  target.resize(static_cast<std::size_t>(length));
  return target; // " (deleted)" may follow the name, but only the directory is used
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::optional<ElfFile> find_by_build_id(const std::string& build_id, const std::string& root) {
  if (build_id.size() < 3)
    return std::nullopt;
  for (const std::string& base : roots(root)) {
    Result<ElfFile> file = ElfFile::open(base + build_id_path(build_id));
    if (file && file->build_id() == build_id)
      return *std::move(file);
  }
  return std::nullopt;
}

bool belongs_to(const ElfFile& debug, const ElfFile& main, std::uint32_t crc) {
  if (debug.same_inode(main)) // the link's name may be the file's own
    return false;
  if (!main.build_id().empty())
    return debug.build_id() == main.build_id();
  return debug.debuglink_crc() == crc;
}

std::optional<ElfFile> find_by_debuglink(const ElfFile& main, const std::string& root) {
  GElf_Word crc = 0;
  const char* link = dwelf_elf_gnu_debuglink(main.elf(), &crc);
  if (link == nullptr)
    return std::nullopt;
  const std::string name = link;
  if (name.empty() || name.find('/') != std::string::npos)
    return std::nullopt; // a file name by definition; "../.." would lead out of `root`
  const std::string directory = directory_of(path_inside(main.path(), root));
  std::vector<std::string> candidates;
  for (const std::string& base : roots(root)) {
    for (const std::string& folder :
         {directory, directory + "/.debug", debug_directory + directory})
      candidates.push_back(std::string(base).append(folder).append("/").append(name));
  }
  for (const std::string& candidate : candidates) {
    Result<ElfFile> file = ElfFile::open(candidate);
    if (file && belongs_to(*file, main, crc))
      return *std::move(file);
  }
  return std::nullopt;
}

} // namespace

std::optional<ElfFile> find_debug_file(const ElfFile& main, const std::string& root) {
  if (auto file = find_by_build_id(main.build_id(), root))
    return file;
  return find_by_debuglink(main, root);
}

std::optional<ElfFile> find_alternate_file(const ElfFile& debug, const std::string& name,
                                           const std::string& build_id, const std::string& root) {
  if (auto file = find_by_build_id(build_id, root))
    return file;
  std::vector<std::string> candidates;
  if (!name.empty() && name.front() == '/')
    for (const std::string& base : roots(root))
      candidates.push_back(base + name);
  else if (!name.empty())
    candidates.push_back(directory_of(debug.path()) + "/" + name);
  for (const std::string& candidate : candidates) {
    Result<ElfFile> file = ElfFile::open(candidate);
    if (file && !build_id.empty() && file->build_id() == build_id)
      return *std::move(file);
  }
  return std::nullopt;
}

} // namespace leakbpf
