// SPDX-License-Identifier: Apache-2.0
// Which probes are attached in which process.
#pragma once

#include "kernel/kernel_side.h"
#include "session/link_reaper.h"

#include <map>
#include <set>

namespace leakbpf {

struct AttachSummary {
  std::size_t files = 0;
  std::size_t probes = 0;
};

class Attachments {
public:
  using FileId = std::pair<std::uint64_t, std::uint64_t>; ///< device, inode

  Attachments(const ProcFs& proc, const KernelSide& kernel, AllocatorHints hints)
      : proc_(proc), kernel_(kernel), hints_(std::move(hints)) {}

  /// Attaches to each allocator among `mappings` that process `pid` has no probes in yet: to its
  /// heap functions while the heap is open. Nothing found is not an error here.
  [[nodiscard]] Result<AttachSummary> attach(pid_t pid, std::span<const Mapping> mappings);
  /// The same for a file that is not mapped yet.
  [[nodiscard]] Result<AttachSummary> attach_file(pid_t pid, const std::string& path);
  /// Attaches to one allocator more, once in each process.
  [[nodiscard]] Result<AttachSummary> attach(pid_t pid, const Allocator& allocator);
  /// Attaches to the function that frees Python's code objects. A failure is no reason not to
  /// trace.
  void attach_code_hook(pid_t pid, const std::string& path, std::uint64_t file_offset);
  /// The same for the garbage collector's. False when it failed.
  bool attach_collector(pid_t pid, const std::string& path, std::uint64_t file_offset);
  /// From here on the heap functions of `pid` are probed; at first they are.
  [[nodiscard]] Result<void> open_heap(pid_t pid);
  /// From here on they are not: their probes are taken out in the background.
  void close_heap(pid_t pid);
  /// Files of `pid` that have heap functions.
  [[nodiscard]] std::size_t heap_files(pid_t pid) const;
  /// All blocks of `pid` come from glibc's malloc.
  [[nodiscard]] bool uses_only_glibc(pid_t pid) const;
  /// Is there a heap function at this offset of a file that was searched? In a library that is
  /// nothing but an allocator every function is.
  [[nodiscard]] bool is_heap_function(const FileId& file, std::uint64_t offset) const;
  /// Takes the probes out of `pid`, in the background: the kernel needs up to 0.1 s for it.
  void detach(pid_t pid);
  [[nodiscard]] bool has_probes(pid_t pid) const;

private:
  struct Process {
    std::map<FileId, MappedFile> files;   ///< their paths as seen through this process
    std::set<FileId> extra;               ///< of allocators that were given
    std::set<std::uint64_t> python_hooks; ///< offsets in the interpreter's file
    std::vector<Link> heap;               ///< of heap functions
    std::vector<Link> mapping_calls;      ///< of what maps memory, and of Python's pools
    std::vector<Link> hooks;              ///< of the dynamic linker, and of Python
    bool heap_is_open = true;
  };

  [[nodiscard]] Result<AttachSummary> attach_mapped(pid_t pid, const MappedFile& file);
  [[nodiscard]] Result<void> attach_probes(Process& process, const ProbePlan& plan, pid_t pid);
  [[nodiscard]] Result<void> attach_heap(Process& process, const ProbePlan& plan, pid_t pid);
  bool keep_hooks(pid_t pid, Result<std::vector<Link>> links);
  void attach_mappings_hook(pid_t pid, const ProbePlan& plan);

  const ProcFs& proc_;
  const KernelSide& kernel_;
  AllocatorHints hints_;
  std::map<FileId, ProbePlan> plans_; ///< by file, empty ones too: each file is searched once
  std::map<pid_t, Process> processes_;
  LinkReaper reaper_;
};

} // namespace leakbpf
