// SPDX-License-Identifier: Apache-2.0
// When the heap functions of which processes are probed, and what begins Python's pools: all the
// time, or in windows where the cost would be above the budget. A process that was asked for and
// its children share their windows; so do all processes that share probes.
#pragma once

#include "core/cost_meter.h"
#include "core/governor.h"
#include "core/sharing_budget.h"
#include "core/window_state.h"
#include "core/work_speed.h"
#include "kernel/kernel_counts.h"
#include "kernel/probe_control.h"
#include "session/attachments.h"
#include "session/mapping_probes.h"
#include "session/pool_windows.h"

#include <functional>
#include <map>
#include <optional>
#include <unordered_map>
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

class HeapWindows {
public:
  using Index = std::uint32_t; ///< of a group of processes

  /// `clock` tells seconds; `loop_hit_seconds` is what a hit takes in a loop; `failed` is told of
  /// processes whose heap could not be probed.
  HeapWindows(const ProcFs& proc, ProbeControl& control, const KernelCounts& counts,
              Attachments& attachments, CostLimits limits, double loop_hit_seconds,
              std::function<double()> clock, std::function<void(pid_t, const Error&)> failed,
              std::function<void(const std::string&)> warn);

  /// A group for a process that was asked for. To be called before it is attached to: what it did
  /// so far tells what its work takes without probes.
  [[nodiscard]] Index add_group(pid_t pid);
  /// The group of all processes that share probes: no one of them may pay more than a target may,
  /// nor may all those together that are no targets and hit the same probes.
  [[nodiscard]] Index sharing_group();
  [[nodiscard]] bool is_sharing(Index group) const { return groups_.at(group).sharing; }
  [[nodiscard]] std::size_t groups() const { return groups_.size(); }
  /// Its first window, which has no end yet, when it is the first. Its probes are attached.
  void start(Index group);
  /// `target` is in it from now on: the process itself, a child, or what it became by exec.
  void add(Index group, std::uint32_t target, pid_t pid);
  void remove(Index group, std::uint32_t target);

  /// Opens and closes what is due.
  void run();
  /// The end of tracing: nothing will be opened again.
  void finish();
  /// When to run again, by the clock.
  [[nodiscard]] double next_run() const;

  /// Windows that have come to an end, of all groups.
  [[nodiscard]] std::uint64_t ended() const { return ended_; }
  [[nodiscard]] WindowState state(Index group) const;
  [[nodiscard]] TracingCost cost(Index group) const;
  /// About so many calls that map memory were not seen, of all groups, to keep the limit.
  [[nodiscard]] std::uint64_t unseen_mapping_calls() const;

private:
  struct Member {
    pid_t pid = 0;
    CpuTimes times;              ///< as read last
    leakbpf_activity activity{}; ///< likewise
    leakbpf_activity before{};   ///< when it was added
  };
  struct Group {
    Group(std::uint32_t seed, double loop_hit_seconds)
        : governor(0, seed), meter(loop_hit_seconds) {}
    Governor governor;
    PoolWindows pools;
    MappingProbes mappings;
    CostMeter meter;
    std::unordered_map<std::uint32_t, Member> members; ///< by target
    CpuTimes taken;                                    ///< by all members since the start
    ProbeWork work;                                    ///< likewise
    double cost_seconds = 0;                           ///< likewise
    double governed_seconds = 0;                       ///< the part that the budget is for
    bool sharing = false;                              ///< its members share probes
    std::vector<leakbpf_activity> slots;               ///< of sharing ones, as read last
    CostBound bound;                                   ///< of it
    CpuTimes taken_at_change;                          ///< when a window was opened or closed last
    ProbeWork work_at_open;
    double closeness = 1;   ///< see choose_closeness
    CpuTimes metered_taken; ///< what of them the meter knows
    ProbeWork metered_work;
    bool metering = true;       ///< what comes is the meter's: probes are all in, or all out
    leakbpf_window window{};    ///< the open or the last one
    std::size_t heap_files = 0; ///< of the member with the most
    bool started = false;
    bool open = false;
    bool limited = false;
    double started_at = 0;
    double changed_at = 0;   ///< opened or closed last
    double open_seconds = 0; ///< of closed windows
    std::uint64_t ended = 0; ///< their number
    double uncovered = 0;    ///< seconds that no window stands for; below 0: too much was stood for
    WorkSpeed speed;         ///< in windows: fewer of its seconds are in a busy process's window
    double recent_from = 0;  ///< begin of the stretch that `recent_share` will be of
    double recent_cost = 0;
    std::optional<double> recent_share;
    double next_look = 0;
  };

  Group& make_group();
  [[nodiscard]] SharingBudget sharing_budget() const;
  [[nodiscard]] static CpuTimes cpu_times(const ProcessStat& stat);
  void look_at_standing(Group& group, double now);
  [[nodiscard]] double next_look(const Group& group) const;
  void open_probes(Group& group);
  static std::vector<pid_t> owners_of(const Group& group);
  void read(Group& group) const;
  void read_members(Group& group) const;
  void read_sharing(Group& group) const;
  static void meter(Group& group, bool probed);
  static void restart_meter(Group& group);
  void find_layers(Index index, Group& group);
  static void choose_closeness(Group& group);
  void share_budget();
  void look(Index index, Group& group);
  void open(Index index, Group& group);
  void close(Index index, Group& group);
  void begin_window(Index index, Group& group);
  void end_window(Group& group);

  const ProcFs& proc_;
  ProbeControl& control_;
  const KernelCounts& counts_;
  Attachments& attachments_;
  CostLimits limits_;
  double loop_hit_seconds_;
  std::function<double()> clock_;
  std::function<void(pid_t, const Error&)> failed_;
  std::function<void(const std::string&)> warn_;
  std::map<Index, Group> groups_;
  std::optional<Index> sharing_;
  std::uint64_t ended_ = 0;
};

} // namespace leakbpf
