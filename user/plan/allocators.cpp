// SPDX-License-Identifier: Apache-2.0
#include "plan/allocators.h"

#include "plan/elf_functions.h"

#include <algorithm>
#include <set>

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

/// Which names of a file are of allocation functions.
class Names {
public:
  Names(const MappedFile& file, const AllocatorHints& hints) : prefix_(hints.symbol_prefix) {
    const bool named =
        std::find(hints.objects.begin(), hints.objects.end(), file.path) != hints.objects.end();
    excluded_ = (!hints.objects.empty() && !named) || is_glibc_loader(file.path);
  }

  /// `own` as of ElfFunction: of other names only those count that nothing but an allocator has.
  [[nodiscard]] const AllocationFunction* find(std::string_view name, bool own) const {
    if (excluded_)
      return nullptr;
    if (!prefix_.empty() && name.starts_with(prefix_))
      if (const auto* function = find_allocation_function(name.substr(prefix_.size())))
        return function;
    if (const auto* function = find_prefixed_function(name))
      return function;
    return own ? find_allocation_function(name) : nullptr;
  }

private:
  const std::string& prefix_;
  bool excluded_ = false;
};

void leave_out_operators(std::vector<AllocatorFunction>& functions) {
  const auto is_malloc = [](const AllocatorFunction& found) { return found.symbol == "malloc"; };
  if (std::none_of(functions.begin(), functions.end(), is_malloc))
    std::erase_if(functions,
                  [](const AllocatorFunction& found) { return found.function->is_operator(); });
}

} // namespace

Result<Allocator> find_allocator(const MappedFile& file, const AllocatorHints& hints) {
  Allocator allocator{file, {}, false, {}};
  const Names names(file, hints);
  auto found =
      find_functions(file.open_path, file.path, file.root, [&](std::string_view name, bool own) {
        return names.find(name, own) ||
               (own && (name == mappings_hook_name || name == glibc_only_name));
      });
  if (!found)
    return found.error();
  // Names in table order, so that aliases of one address keep the usual name.
  const auto place = [&](const ElfFunction& function) {
    return std::pair(names.find(function.name, function.own), function.name.size());
  };
  std::stable_sort(found->functions.begin(), found->functions.end(),
                   [&](const ElfFunction& a, const ElfFunction& b) { return place(a) < place(b); });
  std::set<std::uint64_t> offsets;
  std::map<std::string, std::uint64_t, std::less<>> by_name;
  for (ElfFunction& function : found->functions) {
    by_name.emplace(function.name, function.file_offset);
    if (function.name == mappings_hook_name)
      allocator.mappings_hook = function.file_offset;
    else if (function.name == glibc_only_name)
      allocator.is_glibc = true;
    else if (offsets.insert(function.file_offset).second)
      allocator.functions.push_back({names.find(function.name, function.own), function.name,
                                     function.file_offset, std::move(function.code)});
  }
  for (const FunctionStub& stub : found->stubs)
    if (const auto function = by_name.find(stub.name); function != by_name.end())
      allocator.stubs.emplace(stub.file_offset, function->second);
  for (CodePart& part : found->jump_targets)
    if (!offsets.contains(part.file_offset))
      allocator.jump_targets.emplace(part.file_offset, std::move(part.code));
  leave_out_operators(allocator.functions);
  return allocator;
}

} // namespace leakbpf
