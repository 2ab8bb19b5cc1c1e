// SPDX-License-Identifier: Apache-2.0
// How targets are probed: by probes of their own or by shared ones, in which group of windows, and
// what is attached to their interpreters.
#pragma once

#include "session/attachments.h"
#include "session/heap_windows.h"
#include "session/left_out.h"
#include "session/seccomp_guard.h"
#include "session/target_table.h"
#include "session/trace_options.h"
#include "unwind/unwind_service.h"

#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

namespace leakbpf {

class TargetProbes {
public:
  /// Each hit of a probe asks all links of its place, and each link takes the kernel some
  /// milliseconds: beyond so many processes with probes of their own others share theirs.
  static constexpr std::size_t most_owners = 16;

  /// All outlive the probes.
  struct Parts {
    const ProcFs& proc;
    const TraceOptions& options;
    Backend backend;
    TargetControl& control;
    UnwindService& unwind;
    Attachments& attachments;
    SeccompGuard& seccomp;
    HeapWindows& windows;
    const TargetTable& targets;
    LeftOut& left_out;
  };

  /// `clock` tells seconds since tracing began; `found_python` is told of targets whose interpreter
  /// is understood.
  TargetProbes(Parts parts, std::function<double()> clock,
               std::function<void(const TargetState&)> found_python)
      : of_(parts), clock_(std::move(clock)), found_python_(std::move(found_python)) {}

  /// No target gets probes of its own.
  void share_all() { share_all_ = true; }
  /// Nothing is to be attached to any more.
  void freeze() { frozen_ = true; }

  /// To its allocators, Python's own among them: before it is a target, so that nothing is seen
  /// half.
  [[nodiscard]] Result<AttachSummary> attach(pid_t pid, std::span<const Mapping> mappings,
                                             const PythonSearch& python);
  /// Fails where probes would harm the process.
  [[nodiscard]] Result<void> allow(const ProcessInfo& process);
  /// The group of a process that is new, which has probes of its own or shares them from here on.
  [[nodiscard]] HeapWindows::Index join_group(pid_t pid);
  /// That of its parent, unless it is one of too many.
  [[nodiscard]] HeapWindows::Index group_of_child(pid_t pid, const TargetState* parent);
  void add_to_group(TargetState& target, HeapWindows::Index group);
  /// That any target was ever in.
  [[nodiscard]] const std::set<HeapWindows::Index>& groups() const { return groups_; }

  /// Follows the interpreter that was found in the target.
  void take_python(TargetState& target, PythonSearch search);
  /// What is mapped in its process. When that is ending, has ended, or runs another program whose
  /// event is still to come, it is what was seen last.
  [[nodiscard]] std::string read_maps(const TargetState& target) const;
  /// Reads the target's mappings; attaches to allocators that are new in it.
  void refresh(TargetState& target);
  void take_out(TargetState& target);
  /// Between windows the large blocks of the target are known by their mappings.
  [[nodiscard]] bool maps_blocks(const TargetState& target) const;

  /// It has probes of its own, and goes on without its main thread.
  [[nodiscard]] bool has_lost_main_thread(const TargetState& target) const;
  /// Perf events of one process belong to its main thread, and end with it.
  [[nodiscard]] bool are_lost(const TargetState& target) const;
  void move_to_shared(TargetState& target);

private:
  [[nodiscard]] bool should_share();
  [[nodiscard]] bool may_be_probed(TargetState& target);
  void look_for_python(TargetState& target, std::span<const Mapping> mappings);
  void attach_python_hooks(TargetState& target);
  [[nodiscard]] std::vector<Mapping> mappings_of_threads(pid_t pid) const;

  Parts of_;
  std::function<double()> clock_;
  std::function<void(const TargetState&)> found_python_;
  std::set<HeapWindows::Index> groups_;
  std::vector<double> owners_lately_; ///< when targets with probes of their own began
  bool share_all_ = false;
  bool frozen_ = false;
};

} // namespace leakbpf
