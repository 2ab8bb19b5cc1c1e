// SPDX-License-Identifier: Apache-2.0
// When the heap functions of which processes are probed, and what begins Python's pools: all the
// time, or in windows where the cost would be above the budget. A process that was asked for and
// its children share their windows; so do all processes that share probes.
#pragma once

#include "session/probed_group.h"

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace leakbpf {

class HeapWindows {
public:
  using Index = ProbedGroup::Index; ///< of a group of processes

  explicit HeapWindows(ProbingParts parts) : of_(std::move(parts)) {}
  HeapWindows(const HeapWindows&) = delete;
  HeapWindows& operator=(const HeapWindows&) = delete;

  /// A group for a process that was asked for. To be called before it is attached to: what it did
  /// so far tells what its work takes without probes.
  [[nodiscard]] Index add_group(pid_t pid);
  /// The group of all processes that share probes: no one of them may pay more than a target may,
  /// nor may all those together that are no targets and hit the same probes.
  [[nodiscard]] Index sharing_group();
  [[nodiscard]] bool is_sharing(Index group) const { return groups_.at(group).is_sharing(); }
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
  [[nodiscard]] std::uint64_t ended() const;
  [[nodiscard]] WindowState state(Index group) const { return groups_.at(group).state(); }
  [[nodiscard]] TracingCost cost(Index group) const { return groups_.at(group).cost(); }
  /// About so many calls that map memory were not seen, of all groups, to keep the limit.
  [[nodiscard]] std::uint64_t unseen_mapping_calls() const;

private:
  [[nodiscard]] Index make_group(bool sharing);
  void share_budget();

  const ProbingParts of_;
  std::map<Index, ProbedGroup> groups_;
  std::optional<Index> sharing_;
};

} // namespace leakbpf
