// SPDX-License-Identifier: Apache-2.0
// What is known of one target while it is traced: one image of one process.
#pragma once

#include "core/ages.h"
#include "core/range_map.h"
#include "core/report.h"
#include "core/site_sample.h"
#include "core/unexplained.h"
#include "core/verdict.h"
#include "python/python_process.h"
#include "session/heap_windows.h"
#include "symbol/address_space.h"
#include "target/memory_limit.h"
#include "target/process.h"

#include <memory>
#include <unordered_map>
#include <utility>

namespace leakbpf {

struct TargetState {
  std::uint32_t id = 0;
  std::uint32_t group = 0;       ///< of HeapWindows
  double since = 0;              ///< seconds after tracing began that it was first seen
  std::string begin;             ///< what to tell when its blocks are followed
  WindowState window;            ///< of its group, at the sample or the report that is being made
  std::uint64_t windows_put = 0; ///< windows that had ended at the last sample that was kept
  std::uint64_t looks = 0;       ///< at what its sites hold of Python's objects
  std::uint64_t looks_put = 0;   ///< those before the last sample that was kept
  leakbpf_activity before{};     ///< what its slot had counted for others
  ProcessInfo process;
  AddressSpace space;
  std::size_t maps_digest = 0;  ///< of the text read last: parsed only when it changed
  pid_t mapped_by = 0;          ///< the process that `space` was read from: a parent's, at first
  std::uint32_t space_seen = 0; ///< the kernel side's name for what `space` shows
  PythonSearch python;          ///< what is known of its interpreter
  std::optional<SmallObjectHeap> small_objects;   ///< as seen last
  std::optional<leakbpf_collections> collections; ///< of a target that has ended
  std::unordered_map<KernelKey, SiteTotals, KernelKeyHash> range_sites;
  std::unique_ptr<RangeMap> ranges;
  std::optional<std::uint64_t> rss_start;
  std::optional<std::uint64_t> rss_now;
  std::optional<LimitState> limit;
  double next_account = 0; ///< when it is looked next whether allocations account for its growth
  UnexplainedGrowth unexplained;
  std::optional<double> pages_since; ///< its pages have rows: allocations do not account for it
  std::optional<TargetEnd> ended;
  std::optional<bool> had_only_glibc; ///< of heap functions, when its probes were taken out
  bool asked_for = false;             ///< by its PID or a selection; else it is a child
  bool python_pools = false;          ///< its small objects are followed, by pools
  bool python_collector = false;      ///< its garbage collector is followed
  bool ages_are_last = false;         ///< it has ended, and the kernel's table has no block of it
  std::optional<bool> may_be_probed;  ///< that would not end it; unknown at first

  [[nodiscard]] bool alive() const { return !ended; }
  /// It has an interpreter that was not initialised, or not mapped, when it was looked at.
  [[nodiscard]] bool awaits_python() const {
    return (python.version || python.only_named) && !python.process && python.problem.empty();
  }
  /// A forked child begins with what its parent has mapped, and may have ended before we look.
  void inherit_mappings(const TargetState& parent) {
    if (mapped_by)
      return;
    space = parent.space;
    mapped_by = parent.mapped_by;
  }
  /// It runs its parent's program, but could not be looked at while it did.
  void inherit_description(const TargetState& parent) {
    ProcessInfo own = std::exchange(process, parent.process);
    process.pid = own.pid;
    process.ppid = parent.process.pid;
    process.namespaced_pid = own.namespaced_pid;
    process.start_ticks = own.start_ticks; // 0 when it is gone by now
    process.start_stack = own.start_stack;
    process.started_at = std::move(own.started_at);
  }
};

/// What `stat` tells of the PID is of this process, whatever program it runs by now. What cannot be
/// read this time is taken for it: it may be looked at again.
[[nodiscard]] bool is_process_of(const ProcessInfo& process, const Result<ProcessStat>& stat);
/// And it runs the program that it ran, as far as it is shown.
[[nodiscard]] bool is_image_of(const ProcessInfo& process, const Result<ProcessStat>& stat);

/// Makes the range map of `target`, with its totals kept in `target.range_sites`. The target must
/// stay at its address.
void start_range_map(TargetState& target);

/// "exited with 3", "killed by signal 9 (Killed)" from a wait status.
[[nodiscard]] std::string describe_wait_status(std::uint32_t status);

} // namespace leakbpf
