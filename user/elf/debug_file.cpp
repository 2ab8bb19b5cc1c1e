// SPDX-License-Identifier: Apache-2.0
#include "elf/debug_file.h"

#include "base/regular_file.h"

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include <elfutils/libdwelf.h>

namespace leakbpf {

namespace {

constexpr const char* debug_directory = "/usr/lib/debug";

/// Roots to look below: the process's own, and this machine's, which is the empty one.
std::vector<std::string> roots(const std::string& root) {
  if (root.find_first_not_of('/') == std::string::npos)
    return {""};
  return {root, ""};
}

std::string build_id_path(const std::string& build_id) {
  return std::string(debug_directory) + "/.build-id/" + build_id.substr(0, 2) + "/" +
         build_id.substr(2) + ".debug";
}

/// A file that a process names lies inside its root: links there must not lead to files of ours.
Result<ElfFile> open_below(const std::string& root, const std::string& path) {
  auto file = open_regular_in(root, path);
  if (!file)
    return file.error();
  return ElfFile::take(*std::move(file), path);
}

/// What a path that leads through `root` is called inside it.
std::string path_inside(const std::string& path, const std::string& root) {
  return !root.empty() && path.starts_with(root + "/") ? path.substr(root.size()) : path;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::optional<ElfFile> find_by_build_id(const std::string& build_id, const std::string& root) {
  if (build_id.size() < 3)
    return std::nullopt;
  for (const std::string& base : roots(root)) {
    Result<ElfFile> file = open_below(base, build_id_path(build_id));
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
  const std::array<std::string, 3> places{directory + "/" + name, directory + "/.debug/" + name,
                                          debug_directory + directory + "/" + name};
  for (const std::string& base : roots(root))
    for (const std::string& place : places) {
      Result<ElfFile> file = open_below(base, place);
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
  if (name.empty() || build_id.empty())
    return std::nullopt;
  const std::string path =
      name.front() == '/' ? name : directory_of(path_inside(debug.path(), root)) + "/" + name;
  for (const std::string& base : roots(root)) {
    Result<ElfFile> file = open_below(base, path);
    if (file && file->build_id() == build_id)
      return *std::move(file);
  }
  return std::nullopt;
}

} // namespace leakbpf
