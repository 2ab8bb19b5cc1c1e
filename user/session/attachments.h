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
  Attachments(const ProcFs& proc, const KernelSide& kernel, AllocatorHints hints)
      : proc_(proc), kernel_(kernel), hints_(std::move(hints)) {}

  /// Attaches to each allocator among `mappings` that process `pid` has no probes in yet. Nothing
  /// found is not an error here.
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
  /// Takes the probes out of `pid`, in the background: the kernel needs up to 0.1 s for it.
  void detach(pid_t pid);
  [[nodiscard]] bool has_probes(pid_t pid) const;

private:
  using FileId = std::pair<std::uint64_t, std::uint64_t>; ///< device, inode
  struct Process {
    std::set<FileId> files;
    std::set<FileId> extra;               ///< of allocators that were given
    std::set<std::uint64_t> python_hooks; ///< offsets in the interpreter's file
    std::vector<Link> links;              ///< of allocation functions
    std::vector<Link> hooks;              ///< of the dynamic linker, and of Python
  };

  [[nodiscard]] Result<AttachSummary> attach_mapped(pid_t pid, const MappedFile& file);
  [[nodiscard]] Result<void> attach_probes(Process& process, const ProbePlan& plan, pid_t pid);
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
