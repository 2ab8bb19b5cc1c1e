// SPDX-License-Identifier: Apache-2.0
// Processes that are probed together: when their heap is, for how long, and what that costs them.
// One that was asked for and its children are a group; so are all that share probes.
#pragma once

#include "core/governor.h"
#include "core/sharing_budget.h"
#include "core/window_state.h"
#include "core/work_speed.h"
#include "kernel/probe_control.h"
#include "session/attachments.h"
#include "session/group_cost.h"
#include "session/group_members.h"
#include "session/mapping_probes.h"
#include "session/pool_windows.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace leakbpf {

struct CostLimits {
  double per_target = 0.03;     ///< share of one core; 0: no limit
  double total = 0;             ///< of all together; 0: no limit
  std::uint64_t mean_bytes = 1; ///< between samples
};

/// What probes cost some processes.
struct TracingCost {
  double hits = 0;
  double share = 0;         ///< of one core, since the start
  double present_share = 0; ///< the same of late
  double hit_seconds = 0;
  bool corrected = false; ///< by the processes' own system time
  double duty = 1;        ///< share of the time that the heap was probed, 0 to 1
};

/// What groups of processes work with. All that it refers to outlives them.
struct ProbingParts {
  const ProcFs& proc;
  ProbeControl& control;
  const KernelCounts& counts;
  Attachments& attachments;
  CostLimits limits;
  double loop_hit_seconds;                         ///< what a hit takes in a loop
  std::function<double()> clock;                   ///< seconds
  std::function<void(pid_t, const Error&)> failed; ///< a process whose heap could not be probed
  std::function<void(const std::string&)> warn;
};

/// What it has cost and who is in it are parts; the rest is the state of one schedule.
class ProbedGroup {
public:
  using Index = std::uint32_t;

  /// `parts` outlives the group. `sharing`: of all processes that share probes.
  ProbedGroup(const ProbingParts& parts, Index index, bool sharing);

  [[nodiscard]] bool is_sharing() const { return members_.is_sharing(); }
  [[nodiscard]] std::size_t size() const { return members_.size(); }
  /// What a process did so far tells what its work takes without probes.
  void learn_from(pid_t pid);
  /// `target` is in it from now on.
  void add(std::uint32_t target, pid_t pid);
  void remove(std::uint32_t target);
  /// Share of one core that probes may cost; 0: no limit.
  void set_budget(double share);

  /// It is probed from now on; false: it is already.
  bool start();
  /// Once it is started: its first window, which has no end yet.
  void begin_window();
  /// Opens and closes what is due.
  void look();
  /// When to look again, by the clock.
  [[nodiscard]] double next_look() const { return next_look_; }
  /// The end of tracing.
  void finish();

  /// Windows that have come to an end.
  [[nodiscard]] std::uint64_t ended() const { return ended_; }
  [[nodiscard]] WindowState state() const;
  [[nodiscard]] TracingCost cost() const;
  /// About so many calls that map memory were not seen.
  [[nodiscard]] double unseen_mapping_calls() const;

private:
  void read();
  void read_shared();
  void find_layers();
  void look_at_standing(double now);
  [[nodiscard]] double time_of_next_look() const;
  void open();
  void close();
  [[nodiscard]] std::uint32_t scale_of(double planned_seconds) const;
  void end_window();
  void choose_closeness();

  const ProbingParts& of_;
  Index index_;
  GroupMembers members_;
  GroupCost cost_;
  // What decides when probes are in, and where that stands.
  Governor governor_;
  PoolWindows pools_;
  MappingProbes mappings_;
  WorkSpeed speed_;            ///< in windows: fewer of its seconds are in a busy process's window
  leakbpf_window window_{};    ///< the open or the last one
  std::size_t heap_files_ = 0; ///< of the member with the most
  bool started_ = false;
  bool open_ = false;
  bool limited_ = false;
  double started_at_ = 0;
  double changed_at_ = 0;    ///< opened or closed last
  CpuTimes taken_at_change_; ///< what the members had taken then
  ProbeWork work_at_open_;
  double open_seconds_ = 0; ///< of closed windows
  std::uint64_t ended_ = 0; ///< their number
  double uncovered_ = 0;    ///< seconds that no window stands for; below 0: too much was stood for
  double closeness_ = 1;    ///< see choose_closeness
  double next_look_ = 0;
};

} // namespace leakbpf
