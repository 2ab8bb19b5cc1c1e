// SPDX-License-Identifier: Apache-2.0
// Which probes are attached where. A process has probes of its own, that nobody else hits; or it
// shares those that everyone hits who has the file mapped: one for each function, however many
// processes are traced.
#pragma once

#include "base/unique_fd.h"
#include "kernel/probe_control.h"
#include "session/link_reaper.h"

#include <map>
#include <optional>
#include <set>

namespace leakbpf {

struct AttachSummary {
  std::size_t files = 0;
  std::size_t probes = 0;
};

/// One table of what is probed where. It has many methods, as probes of each kind (heap, pools,
/// mapping calls, hooks) are attached, opened and closed on their own.
class Attachments {
public:
  using FileId = std::pair<std::uint64_t, std::uint64_t>; ///< device, inode

  Attachments(const ProcFs& proc, ProbeControl& control, AllocatorHints hints)
      : proc_(proc), control_(control), hints_(std::move(hints)) {}

  /// From here on the process shares everyone's probes. To be called before it is attached to.
  void share(pid_t pid) { sharing_[pid]; }
  [[nodiscard]] bool is_sharing(pid_t pid) const { return sharing_.contains(pid); }
  /// Takes out what a process that shares by now has of its own.
  void drop_own(pid_t pid) { release_owner(pid); }
  /// Processes with probes of their own.
  [[nodiscard]] std::size_t owners() const { return owners_.size() - owners_.count(everyone); }

  /// Attaches to each allocator among `mappings` that process `pid` has no probes in yet: to its
  /// heap functions while the heap is open. Nothing found is not an error here.
  [[nodiscard]] Result<AttachSummary> attach(pid_t pid, std::span<const Mapping> mappings);
  /// The same for a file that is not mapped yet.
  [[nodiscard]] Result<AttachSummary> attach_file(pid_t pid, const std::string& path);
  /// Attaches to one allocator more in a file, once.
  [[nodiscard]] Result<AttachSummary> attach(pid_t pid, const Allocator& allocator);
  /// Attaches to the function of `file` that frees Python's code objects. False when that failed,
  /// which is no reason not to trace.
  bool attach_code_hook(pid_t pid, const MappedFile& file, std::uint64_t file_offset);
  /// The same for the garbage collector's.
  bool attach_collector(pid_t pid, const MappedFile& file, std::uint64_t file_offset);
  /// From here on the heap functions of `pid`, or everyone's, are probed; at first they are.
  [[nodiscard]] Result<void> open_heap(pid_t pid);
  /// From here on they are not: their probes are taken out in the background.
  void close_heap(pid_t pid);
  /// The same for new pools of Python's.
  [[nodiscard]] Result<void> open_pools(pid_t pid);
  void close_pools(pid_t pid);
  /// From here on nothing that maps memory is probed in `pid`, or everywhere; at first it is.
  void close_mapping_calls(pid_t pid);
  /// Files of `pid` that have heap functions; of everyone's where it shares them.
  [[nodiscard]] std::size_t heap_files(pid_t pid) const;
  /// All blocks of `pid` come from glibc's malloc.
  [[nodiscard]] bool uses_only_glibc(pid_t pid) const;
  /// Is there a heap function at this offset of a file that was searched? In a library that is
  /// nothing but an allocator every function is.
  [[nodiscard]] bool is_heap_function(const FileId& file, std::uint64_t offset) const;
  /// The same of the function that begins Python's pools.
  [[nodiscard]] bool is_pool_function(const FileId& file, std::uint64_t offset) const;
  /// Of a file that was searched, as the process had it that mapped it first; else empty.
  [[nodiscard]] std::string path_of(const FileId& file) const;
  /// Takes the probes out of `pid`, in the background: the kernel needs up to 0.1 s for it.
  void detach(pid_t pid);
  [[nodiscard]] bool has_probes(pid_t pid) const;
  /// Takes out shared probes that nobody shares since the last call: not at once, since the next
  /// process of its kind may come any moment.
  void drop_unused();

private:
  /// The owner of shared probes.
  static constexpr pid_t everyone = 0;

  /// The probes in one file.
  struct FileProbes {
    MappedFile file;
    UniqueFd open;                        ///< where there is anything to probe
    std::vector<Link> heap;               ///< of heap functions
    std::vector<Link> mapping_calls;      ///< of what maps memory
    std::vector<Link> pools;              ///< of what begins Python's pools
    std::vector<Link> hooks;              ///< of the dynamic linker, and of Python
    std::set<std::uint64_t> python_hooks; ///< their offsets
    bool searched = false;                ///< for allocators
    std::optional<ProbePlan> extra;       ///< an allocator more
    std::set<pid_t> users;                ///< of a shared one
    bool was_unused = false;              ///< at the last drop_unused()
  };
  struct Owner {
    std::map<FileId, FileProbes> files;
    bool heap_is_open = true;
    bool pools_are_open = true;
    bool mapping_calls_are_open = true;
  };

  [[nodiscard]] pid_t owner_of(pid_t pid) const { return is_sharing(pid) ? everyone : pid; }
  [[nodiscard]] const Owner* find_owner(pid_t pid) const;
  FileProbes& probes_in(pid_t pid, const MappedFile& file);
  static void hold(FileProbes& probes, const MappedFile& file, UniqueFd opened);
  [[nodiscard]] Result<bool> open(FileProbes& probes, const MappedFile& file);
  [[nodiscard]] std::vector<FileId> files_of(pid_t pid) const;
  [[nodiscard]] Result<AttachSummary> attach_mapped(pid_t pid, const MappedFile& file);
  [[nodiscard]] Result<void> attach_probes(pid_t pid, FileProbes& probes, ProbePlan plan);
  [[nodiscard]] Result<void> attach_heap(pid_t owner, FileProbes& probes, const ProbePlan& plan);
  [[nodiscard]] Result<void> attach_pools(pid_t owner, FileProbes& probes, ProbePlan plan);
  bool attach_python_hook(pid_t pid, const MappedFile& file, std::uint64_t file_offset,
                          Result<std::vector<Link>> (ProbeControl::*attach)(
                              const std::string& path, std::uint64_t file_offset, pid_t pid));
  static bool keep_hooks(FileProbes& probes, Result<std::vector<Link>> links);
  void attach_mappings_hook(pid_t pid, FileProbes& probes, const ProbePlan& plan);
  void release(FileProbes& probes);
  void release_owner(pid_t pid);
  void stop_sharing(pid_t pid);

  const ProcFs& proc_;
  ProbeControl& control_;
  AllocatorHints hints_;
  std::map<FileId, ProbePlan> plans_; ///< by file, empty ones too: each file is searched once
  std::map<FileId, CodeRange> pool_functions_;
  std::map<pid_t, Owner> owners_;
  std::map<pid_t, std::set<FileId>> sharing_; ///< processes that share everyone's, and their files
  LinkReaper reaper_;
};

} // namespace leakbpf
