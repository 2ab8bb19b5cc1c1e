// SPDX-License-Identifier: Apache-2.0
#include "session/attachments.h"

#include "kernel/unique_fd.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace leakbpf {

namespace {

/// The file as /proc shows it when it is mapped: on stacked file systems, and on btrfs, stat()
/// tells another device.
std::optional<Mapping> as_mapped(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd)
    return std::nullopt;
  void* const page = mmap(nullptr, 1, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (page == MAP_FAILED)
    return std::nullopt;
  const auto mappings = ProcFs().mappings(getpid());
  munmap(page, 1);
  const auto address = reinterpret_cast<std::uintptr_t>(page);
  if (mappings)
    for (const Mapping& mapping : *mappings)
      if (mapping.start <= address && address < mapping.end)
        return mapping;
  return std::nullopt;
}

} // namespace

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
  const std::optional<Mapping> mapping = as_mapped(path);
  if (!mapping)
    return AttachSummary{};
  return attach_mapped(pid, {mapping->device, mapping->inode, path, path});
}

Result<AttachSummary> Attachments::attach_mapped(pid_t pid, const MappedFile& file) {
  Process& process = processes_[pid];
  const FileId id{file.device, file.inode};
  if (process.files.contains(id))
    return AttachSummary{};
  auto planned = plans_.find(id);
  if (planned == plans_.end()) {
    const auto allocator = find_allocator(file, hints_);
    if (!allocator)
      return allocator.error();
    planned = plans_.emplace(id, plan_probes(*allocator)).first;
  }
  ProbePlan plan = planned->second;
  plan.file = file; // the path through this process
  if (!plan.probes.empty())
    if (auto attached = attach_probes(process, plan, pid); !attached)
      return attached.error();
  process.files.emplace(id, file);
  attach_mappings_hook(pid, plan);
  return AttachSummary{plan.probes.empty() ? 0U : 1U, plan.probes.size()};
}

Result<AttachSummary> Attachments::attach(pid_t pid, const Allocator& allocator) {
  Process& process = processes_[pid];
  const FileId id{allocator.file.device, allocator.file.inode};
  if (process.extra.contains(id))
    return AttachSummary{};
  const ProbePlan plan = plan_probes(allocator);
  if (auto attached = attach_probes(process, plan, pid); !attached)
    return attached.error();
  process.extra.insert(id);
  return AttachSummary{1, plan.probes.size()};
}

Result<void> Attachments::attach_probes(Process& process, const ProbePlan& plan, pid_t pid) {
  if (process.heap_is_open)
    if (auto done = attach_heap(process, plan, pid); !done)
      return done;
  auto links = kernel_.attach_mapping_calls(plan, pid);
  if (!links)
    return links.error();
  std::move(links->begin(), links->end(), std::back_inserter(process.mapping_calls));
  return {};
}

Result<void> Attachments::attach_heap(Process& process, const ProbePlan& plan, pid_t pid) {
  auto links = kernel_.attach_heap(plan, pid);
  if (!links)
    return links.error();
  std::move(links->begin(), links->end(), std::back_inserter(process.heap));
  return {};
}

Result<void> Attachments::open_heap(pid_t pid) {
  Process& process = processes_[pid];
  if (std::exchange(process.heap_is_open, true))
    return {};
  for (const auto& [id, file] : process.files) {
    ProbePlan plan = plans_.at(id);
    plan.file = file;
    if (auto done = attach_heap(process, plan, pid); !done) {
      close_heap(pid);
      return done;
    }
  }
  return {};
}

void Attachments::close_heap(pid_t pid) {
  Process& process = processes_[pid];
  process.heap_is_open = false;
  reaper_.close(std::exchange(process.heap, {}));
}

bool Attachments::uses_only_glibc(pid_t pid) const {
  const auto process = processes_.find(pid);
  if (process == processes_.end())
    return false;
  bool any = false;
  for (const auto& [id, file] : process->second.files) {
    const ProbePlan& plan = plans_.at(id);
    if (!plan.heap_functions.empty() && !plan.is_glibc)
      return false;
    any = any || !plan.heap_functions.empty();
  }
  return any;
}

std::size_t Attachments::heap_files(pid_t pid) const {
  const auto process = processes_.find(pid);
  if (process == processes_.end())
    return 0;
  return static_cast<std::size_t>(std::count_if(
      process->second.files.begin(), process->second.files.end(),
      [this](const auto& file) { return !plans_.at(file.first).heap_functions.empty(); }));
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

/// Without it the walker asks the kernel for what is new, and stacks through a library that took
/// the place of another may be wrong: no reason not to trace.
void Attachments::attach_mappings_hook(pid_t pid, const ProbePlan& plan) {
  if (!plan.mappings_hook)
    return;
  keep_hooks(pid, kernel_.attach_mappings_probe(plan.file.open_path, *plan.mappings_hook, pid));
}

void Attachments::attach_code_hook(pid_t pid, const std::string& path, std::uint64_t file_offset) {
  // A program that runs itself again has them already.
  if (processes_[pid].python_hooks.insert(file_offset).second)
    keep_hooks(pid, kernel_.attach_code_probe(path, file_offset, pid));
}

bool Attachments::attach_collector(pid_t pid, const std::string& path, std::uint64_t file_offset) {
  return !processes_[pid].python_hooks.insert(file_offset).second ||
         keep_hooks(pid, kernel_.attach_collector(path, file_offset, pid));
}

bool Attachments::keep_hooks(pid_t pid, Result<std::vector<Link>> links) {
  if (!links)
    return false;
  for (Link& link : *links)
    processes_[pid].hooks.push_back(std::move(link));
  return true;
}

void Attachments::detach(pid_t pid) {
  const auto found = processes_.find(pid);
  if (found == processes_.end())
    return;
  reaper_.close(std::move(found->second.heap));
  reaper_.close(std::move(found->second.mapping_calls));
  reaper_.close(std::move(found->second.hooks));
  processes_.erase(found);
}

bool Attachments::has_probes(pid_t pid) const {
  const auto found = processes_.find(pid);
  return found != processes_.end() &&
         !(found->second.heap.empty() && found->second.mapping_calls.empty());
}

} // namespace leakbpf
