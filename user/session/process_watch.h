// SPDX-License-Identifier: Apache-2.0
// Which processes become targets, by what was asked for and as they fork, and when these end.
#pragma once

#include "session/target_probes.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace leakbpf {

class ProcessWatch {
public:
  /// All outlive the watch.
  struct Parts {
    const ProcFs& proc;
    const TraceOptions& options;
    Backend backend;
    TargetControl& control;
    KernelCounts& counts;
    UnwindService& unwind;
    Attachments& attachments;
    HeapWindows& windows;
    TargetTable& targets;
    TargetProbes& probes;
    LeftOut& left_out;
  };
  /// A process that is to be looked at soon.
  struct Pending {
    double due = 0;
    pid_t pid = 0;
  };

  /// `clock` tells seconds since tracing began; `ended` is told of each target's end.
  ProcessWatch(Parts parts, std::function<double()> clock, std::function<void(std::uint32_t)> ended)
      : of_(parts), clock_(std::move(clock)), ended_(std::move(ended)) {}

  /// All that can be followed of those that are wanted at the start.
  [[nodiscard]] Result<void> follow_all(const std::vector<pid_t>& pids);
  /// One line for each target, as long as they fit on a screen.
  void tell_begin();
  void attach_file(pid_t pid, const std::string& path);
  /// Nothing becomes a target any more.
  void freeze() { frozen_ = true; }

  void on_appeared(pid_t pid) { await_mappings(pid); }
  void on_fork(const leakbpf_event& event);
  void on_exec(const leakbpf_event& event);
  void on_exit(std::uint32_t id, std::string how);
  /// Looks at what is due.
  void attach_pending();
  [[nodiscard]] const std::deque<Pending>& pending() const { return pending_; }
  /// Processes that began before an event could tell, or match by now.
  void look_for_targets();

  /// Looks at the living targets, at some of them when they are many.
  void look_at_living();
  /// Those that were looked at last.
  [[nodiscard]] const std::vector<std::uint32_t>& looked_at() const { return looked_at_; }
  /// These are all.
  [[nodiscard]] bool looks_at_all() const;

private:
  [[nodiscard]] Result<void> follow(pid_t pid, bool named);
  TargetState& add_target(std::uint32_t id, pid_t pid, std::uint32_t group,
                          std::optional<std::uint64_t> start_stack, PythonSearch python = {});
  void end_target(TargetState& target, std::string how);
  void keep_collections(TargetState& target);
  void await_mappings(pid_t pid);
  void take_selected(pid_t pid);

  Parts of_;
  std::function<double()> clock_;
  std::function<void(std::uint32_t)> ended_;
  AttachSummary begin_; ///< of all targets there were at first
  /// PID and start of who cannot be traced -> how often that was tried.
  std::map<std::pair<pid_t, std::uint64_t>, int> refused_;
  std::deque<Pending> pending_;
  double next_scan_ = 0; ///< for those that match
  std::vector<std::uint32_t> looked_at_;
  std::uint32_t last_looked_at_ = 0;
  bool frozen_ = false;
};

} // namespace leakbpf
