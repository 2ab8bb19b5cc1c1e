// SPDX-License-Identifier: Apache-2.0
#include "session/attachments.h"

#include "base/descriptor_limit.h"
#include "base/regular_file.h"
#include "target/file_mapping.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace leakbpf {

Result<AttachSummary> Attachments::attach(pid_t pid, std::span<const Mapping> mappings) {
  AttachSummary summary;
  for (const MappedFile& file : executable_files(proc_, pid, mappings)) {
    const auto attached = attach_mapped(pid, file);
    if (!attached)
      return attached.error();
    summary.files += attached->files;
    summary.probes += attached->probes;
  }
  return summary;
}

Result<AttachSummary> Attachments::attach_file(pid_t pid, const std::string& path) {
  auto opened = open_regular(path);
  if (!opened && (errno == ENOENT || errno == ENOTDIR))
    return AttachSummary{};
  if (!opened)
    return opened.error();
  const std::optional<Mapping> mapping = as_mapped(*opened);
  if (!mapping)
    return Error{ExitCode::cannot_trace, fmt::format("cannot map {}", path), ""};
  const MappedFile file{mapping->device, mapping->inode, path, pid, 0, 0, "", ""};
  FileProbes& probes = probes_in(pid, file);
  if (!probes.open)
    hold(probes, file, *std::move(opened));
  return attach_mapped(pid, file);
}

/// What is kept of `file` for whoever has the probes of `pid`.
Attachments::FileProbes& Attachments::probes_in(pid_t pid, const MappedFile& file) {
  const FileId id{file.device, file.inode};
  const pid_t owner = owner_of(pid);
  FileProbes& probes = owners_[owner].files[id];
  if (owner == everyone) {
    sharing_[pid].insert(id);
    probes.users.insert(pid);
  }
  return probes;
}

/// Keeps the file open: it is probed by its descriptor, since anything may be at its path by the
/// time a window opens.
void Attachments::hold(FileProbes& probes, const MappedFile& file, UniqueFd opened) {
  probes.file = file;
  probes.open = std::move(opened);
  probes.file.open_path = descriptor_path(probes.open);
}

/// A file that is mapped no more has nothing to probe.
Result<bool> Attachments::open(FileProbes& probes, const MappedFile& file) {
  if (probes.open)
    return true;
  auto opened = open_mapped_file(proc_, file);
  if (opened)
    hold(probes, file, *std::move(opened));
  else if (opened.error().code != ExitCode::no_target)
    return opened.error();
  return static_cast<bool>(probes.open);
}

Result<AttachSummary> Attachments::attach_mapped(pid_t pid, const MappedFile& file) {
  FileProbes& probes = probes_in(pid, file);
  if (probes.searched)
    return AttachSummary{};
  if (const auto opened = open(probes, file); !opened)
    return opened.error();
  else if (!*opened)
    return AttachSummary{};
  const FileId id{file.device, file.inode};
  auto planned = plans_.find(id);
  const bool may_need_some = planned == plans_.end() || !planned->second.probes.empty();
  if (may_need_some && are_descriptors_scarce()) {
    probes.open = UniqueFd(); // it is opened again when it is tried again
    return descriptor_shortage(EMFILE);
  }
  if (planned == plans_.end()) {
    const auto allocator = find_allocator(probes.file, hints_);
    if (!allocator) {
      probes.open = UniqueFd();
      return allocator.error();
    }
    planned = plans_.emplace(id, plan_probes(*allocator)).first;
  }
  const ProbePlan& plan = planned->second;
  if (!plan.probes.empty())
    if (auto attached = attach_probes(pid, probes, plan); !attached)
      return attached.error();
  probes.searched = true;
  attach_mappings_hook(pid, probes, plan);
  if (plan.probes.empty() && !plan.mappings_hook && !probes.extra)
    probes.open = UniqueFd(); // there are many such files
  const std::size_t wanted = control_.wanted_probes(plan);
  return AttachSummary{wanted == 0 ? 0U : 1U, wanted};
}

Result<AttachSummary> Attachments::attach(pid_t pid, const Allocator& allocator) {
  FileProbes& probes = probes_in(pid, allocator.file);
  if (probes.extra)
    return AttachSummary{};
  const auto opened = open(probes, allocator.file);
  if (!opened)
    return opened.error();
  if (!*opened)
    return AttachSummary{};
  ProbePlan plan = plan_probes(allocator);
  if (auto attached = attach_probes(pid, probes, plan); !attached)
    return attached.error();
  const std::size_t wanted = control_.wanted_probes(plan);
  for (const AllocatorFunction& pools : allocator.functions)
    pool_functions_[{allocator.file.device, allocator.file.inode}] = {
        pools.file_offset, pools.file_offset + pools.code.size()};
  probes.extra = std::move(plan);
  return AttachSummary{1, wanted};
}

Result<void> Attachments::attach_probes(pid_t pid, FileProbes& probes, ProbePlan plan) {
  const pid_t owner = owner_of(pid);
  plan.file = probes.file; // the path that this owner has
  if (owners_[owner].heap_is_open)
    if (auto done = attach_heap(owner, probes, plan); !done)
      return done;
  if (owners_[owner].pools_are_open)
    if (auto done = attach_pools(owner, probes, plan); !done)
      return done;
  if (!owners_[owner].mapping_calls_are_open)
    return {};
  auto links = control_.attach_mapping_calls(plan, owner);
  if (!links)
    return links.error();
  std::move(links->begin(), links->end(), std::back_inserter(probes.mapping_calls));
  return {};
}

Result<void> Attachments::attach_heap(pid_t owner, FileProbes& probes, const ProbePlan& plan) {
  auto links = control_.attach_heap(plan, owner);
  if (!links)
    return links.error();
  std::move(links->begin(), links->end(), std::back_inserter(probes.heap));
  return {};
}

/// `plan.file` is set to the path that this owner has.
Result<void> Attachments::attach_pools(pid_t owner, FileProbes& probes, ProbePlan plan) {
  plan.file = probes.file;
  auto links = control_.attach_pools(plan, owner);
  if (!links)
    return links.error();
  std::move(links->begin(), links->end(), std::back_inserter(probes.pools));
  return {};
}

Result<void> Attachments::open_heap(pid_t pid) {
  const pid_t owner = owner_of(pid);
  Owner& opened = owners_[owner];
  if (std::exchange(opened.heap_is_open, true))
    return {};
  for (auto& [id, probes] : opened.files) {
    const auto planned = plans_.find(id);
    if (!probes.searched || planned == plans_.end())
      continue;
    ProbePlan plan = planned->second;
    plan.file = probes.file;
    if (auto done = attach_heap(owner, probes, plan); !done) {
      close_heap(pid);
      return done;
    }
  }
  return {};
}

void Attachments::close_heap(pid_t pid) {
  Owner& closed = owners_[owner_of(pid)];
  closed.heap_is_open = false;
  for (auto& [id, probes] : closed.files)
    reaper_.close(std::exchange(probes.heap, {}));
}

Result<void> Attachments::open_pools(pid_t pid) {
  const pid_t owner = owner_of(pid);
  Owner& opened = owners_[owner];
  if (std::exchange(opened.pools_are_open, true))
    return {};
  for (auto& [id, probes] : opened.files) {
    if (!probes.extra)
      continue;
    if (auto done = attach_pools(owner, probes, *probes.extra); !done) {
      close_pools(pid);
      return done;
    }
  }
  return {};
}

void Attachments::close_pools(pid_t pid) {
  Owner& closed = owners_[owner_of(pid)];
  closed.pools_are_open = false;
  for (auto& [id, probes] : closed.files)
    reaper_.close(std::exchange(probes.pools, {}));
}

void Attachments::close_mapping_calls(pid_t pid) {
  Owner& closed = owners_[owner_of(pid)];
  closed.mapping_calls_are_open = false;
  for (auto& [id, probes] : closed.files)
    reaper_.close(std::exchange(probes.mapping_calls, {}));
}

const Attachments::Owner* Attachments::find_owner(pid_t pid) const {
  const auto owner = owners_.find(owner_of(pid));
  return owner == owners_.end() ? nullptr : &owner->second;
}

/// Files that this process has mapped.
std::vector<Attachments::FileId> Attachments::files_of(pid_t pid) const {
  std::vector<FileId> files;
  if (const auto sharing = sharing_.find(pid); sharing != sharing_.end())
    files.assign(sharing->second.begin(), sharing->second.end());
  else if (const Owner* owner = find_owner(pid))
    for (const auto& [id, probes] : owner->files)
      files.push_back(id);
  return files;
}

bool Attachments::uses_only_glibc(pid_t pid) const {
  bool any = false;
  for (const FileId& id : files_of(pid)) {
    const auto plan = plans_.find(id);
    if (plan == plans_.end() || plan->second.heap_functions.empty())
      continue;
    if (!plan->second.is_glibc)
      return false;
    any = true;
  }
  return any;
}

std::size_t Attachments::heap_files(pid_t pid) const {
  const Owner* owner = find_owner(pid);
  if (!owner)
    return 0;
  return static_cast<std::size_t>(
      std::count_if(owner->files.begin(), owner->files.end(), [this](const auto& file) {
        const auto plan = plans_.find(file.first);
        return plan != plans_.end() && !plan->second.heap_functions.empty();
      }));
}

std::string Attachments::path_of(const FileId& file) const {
  const auto plan = plans_.find(file);
  return plan == plans_.end() ? "" : plan->second.file.path;
}

bool Attachments::is_heap_function(const FileId& file, std::uint64_t offset) const {
  const auto plan = plans_.find(file);
  if (plan == plans_.end() || plan->second.heap_functions.empty())
    return false;
  const std::string& path = plan->second.file.path;
  // libjemalloc.so.2, libtcmalloc_minimal.so.4, libmimalloc.so.2
  if (path.substr(path.rfind('/') + 1).find("malloc.so") != std::string::npos ||
      path.find("malloc_minimal.so") != std::string::npos)
    return true;
  return std::any_of(
      plan->second.heap_functions.begin(), plan->second.heap_functions.end(),
      [offset](const CodeRange& range) { return range.begin <= offset && offset < range.end; });
}

bool Attachments::is_pool_function(const FileId& file, std::uint64_t offset) const {
  const auto found = pool_functions_.find(file);
  return found != pool_functions_.end() && found->second.begin <= offset &&
         offset < found->second.end;
}

/// Without it the walker asks the kernel for what is new, and stacks through a library that took
/// the place of another may be wrong: no reason not to trace.
void Attachments::attach_mappings_hook(pid_t pid, FileProbes& probes, const ProbePlan& plan) {
  if (plan.mappings_hook)
    keep_hooks(probes, control_.attach_mappings_probe(probes.file.open_path, *plan.mappings_hook,
                                                      owner_of(pid)));
}

bool Attachments::attach_python_hook(
    pid_t pid, const MappedFile& file, std::uint64_t file_offset,
    Result<std::vector<Link>> (ProbeControl::*attach)(const std::string&, std::uint64_t, pid_t)) {
  FileProbes& probes = probes_in(pid, file);
  const auto opened = open(probes, file);
  // A program that runs itself again has them already.
  return opened && *opened &&
         (!probes.python_hooks.insert(file_offset).second ||
          keep_hooks(probes,
                     (control_.*attach)(probes.file.open_path, file_offset, owner_of(pid))));
}

bool Attachments::attach_code_hook(pid_t pid, const MappedFile& file, std::uint64_t file_offset) {
  return attach_python_hook(pid, file, file_offset, &ProbeControl::attach_code_probe);
}

bool Attachments::attach_collector(pid_t pid, const MappedFile& file, std::uint64_t file_offset) {
  return attach_python_hook(pid, file, file_offset, &ProbeControl::attach_collector);
}

bool Attachments::keep_hooks(FileProbes& probes, Result<std::vector<Link>> links) {
  if (!links)
    return false;
  std::move(links->begin(), links->end(), std::back_inserter(probes.hooks));
  return true;
}

void Attachments::release(FileProbes& probes) {
  reaper_.close(std::move(probes.heap));
  reaper_.close(std::move(probes.pools));
  reaper_.close(std::move(probes.mapping_calls));
  reaper_.close(std::move(probes.hooks));
}

void Attachments::detach(pid_t pid) {
  if (is_sharing(pid))
    stop_sharing(pid);
  else
    release_owner(pid);
}

void Attachments::release_owner(pid_t pid) {
  const auto found = owners_.find(pid);
  if (found == owners_.end())
    return;
  for (auto& [id, probes] : found->second.files)
    release(probes);
  owners_.erase(found);
}

void Attachments::stop_sharing(pid_t pid) {
  auto& files = owners_[everyone].files;
  for (const FileId& id : sharing_.at(pid))
    files.at(id).users.erase(pid);
  sharing_.erase(pid);
}

void Attachments::drop_unused() {
  const auto everyones = owners_.find(everyone);
  if (everyones == owners_.end())
    return;
  auto& files = everyones->second.files;
  for (auto file = files.begin(); file != files.end();) {
    FileProbes& probes = file->second;
    const bool unused = probes.users.empty();
    const bool drop = unused && probes.was_unused;
    probes.was_unused = unused;
    if (drop)
      release(probes);
    file = drop ? files.erase(file) : std::next(file);
  }
}

bool Attachments::has_probes(pid_t pid) const {
  const Owner* owner = find_owner(pid);
  if (!owner)
    return false;
  const std::vector<FileId> files = files_of(pid);
  return std::any_of(files.begin(), files.end(), [owner](const FileId& id) {
    const FileProbes& probes = owner->files.at(id);
    return !probes.heap.empty() || !probes.mapping_calls.empty() || !probes.pools.empty();
  });
}

} // namespace leakbpf
