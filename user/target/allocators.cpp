// SPDX-License-Identifier: Apache-2.0
#include "target/allocators.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <sys/stat.h>

namespace leakbpf {

namespace {

/// glibc's loader has a small allocator for its own start, whose blocks are never freed.
bool is_glibc_loader(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  return name.starts_with("ld-linux") || name.starts_with("ld-2.");
}

/// The place for a debugger's breakpoint, in glibc's and musl's dynamic linkers (<link.h>, r_brk).
constexpr std::string_view mappings_hook_name = "_dl_debug_state";
// Every glibc exports it, no other C library does.
constexpr std::string_view glibc_only_name = "gnu_get_libc_version";

/// The file itself when it still is at its path in the target's root, or, when the target has
/// ended, in ours; else the kernel's own link to what is mapped.
std::string openable_path(const ProcFs& proc, pid_t pid, const Mapping& mapping) {
  for (const std::string& path : {proc.path(pid, "root" + mapping.path), mapping.path}) {
    struct stat info {};
    if (!mapping.deleted && stat(path.c_str(), &info) == 0 && info.st_ino == mapping.inode)
      return path;
  }
  return proc.path(pid, fmt::format("map_files/{:x}-{:x}", mapping.start, mapping.end));
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
      files.push_back(
          {mapping.device, mapping.inode, mapping.path, openable_path(proc, pid, mapping)});
  }
  return files;
}

Result<Allocator> find_allocator(const MappedFile& file, const AllocatorHints& hints) {
  Allocator allocator{file, {}, false, {}};
  const bool named =
      std::find(hints.objects.begin(), hints.objects.end(), file.path) != hints.objects.end();
  const bool excluded = (!hints.objects.empty() && !named) || is_glibc_loader(file.path);
  const auto function_of = [&](std::string_view name) -> const AllocationFunction* {
    if (excluded)
      return nullptr;
    if (!hints.symbol_prefix.empty() && name.starts_with(hints.symbol_prefix))
      name.remove_prefix(hints.symbol_prefix.size());
    return find_allocation_function(name);
  };
  auto found = find_functions(file.open_path, [&](std::string_view name) {
    return function_of(name) || name == mappings_hook_name || name == glibc_only_name;
  });
  if (!found)
    return found.error();
  // Names in table order, so that aliases of one address keep the usual name.
  std::stable_sort(found->begin(), found->end(), [&](const ElfFunction& a, const ElfFunction& b) {
    return function_of(a.name) < function_of(b.name);
  });
  std::set<std::uint64_t> offsets;
  for (ElfFunction& function : *found)
    if (function.name == mappings_hook_name)
      allocator.mappings_hook = function.file_offset;
    else if (function.name == glibc_only_name)
      allocator.is_glibc = true;
    else if (offsets.insert(function.file_offset).second)
      allocator.functions.push_back({function_of(function.name), function.name,
                                     function.file_offset, std::move(function.code)});
  return allocator;
}

} // namespace leakbpf
