// SPDX-License-Identifier: Apache-2.0
#include "session/heap_windows.h"

#include <algorithm>

namespace leakbpf {

HeapWindows::Index HeapWindows::make_group(bool sharing) {
  // Targets are as many as windows can be, so that there is room for each.
  const Index index = groups_.empty() ? 0 : groups_.rbegin()->first + 1;
  groups_.try_emplace(index, of_, index, sharing);
  return index;
}

HeapWindows::Index HeapWindows::sharing_group() {
  if (!sharing_)
    sharing_ = make_group(true);
  return *sharing_;
}

HeapWindows::Index HeapWindows::add_group(pid_t pid) {
  const Index index = make_group(false);
  groups_.at(index).learn_from(pid);
  return index;
}

void HeapWindows::start(Index group) {
  ProbedGroup& started = groups_.at(group);
  if (!started.start())
    return;
  share_budget();
  started.begin_window();
}

void HeapWindows::add(Index group, std::uint32_t target, pid_t pid) {
  groups_.at(group).add(target, pid);
  share_budget();
}

void HeapWindows::remove(Index group, std::uint32_t target) {
  groups_.at(group).remove(target);
  share_budget();
}

/// Each target has the same share of what all together may cost.
void HeapWindows::share_budget() {
  const CostLimits& limits = of_.limits;
  std::size_t all = 0;
  for (const auto& [index, group] : groups_)
    all += group.size();
  const double each = all > 0 ? limits.total / static_cast<double>(all) : limits.total;
  const bool by_total = limits.total > 0 && (limits.per_target <= 0 || each < limits.per_target);
  const double share = by_total ? each : limits.per_target;
  for (auto& [index, group] : groups_)
    group.set_budget(group.is_sharing()
                         ? SharingBudget{limits.per_target, limits.total}.share()
                         : share * static_cast<double>(std::max<std::size_t>(group.size(), 1)));
}

void HeapWindows::run() {
  for (auto& [index, group] : groups_)
    if (group.size() > 0 && of_.clock() >= group.next_look())
      group.look();
}

double HeapWindows::next_run() const {
  double next = of_.clock() + 3600;
  for (const auto& [index, group] : groups_)
    if (group.size() > 0)
      next = std::min(next, group.next_look());
  return next;
}

void HeapWindows::finish() {
  for (auto& [index, group] : groups_)
    group.finish();
}

std::uint64_t HeapWindows::ended() const {
  std::uint64_t ended = 0;
  for (const auto& [index, group] : groups_)
    ended += group.ended();
  return ended;
}

std::uint64_t HeapWindows::unseen_mapping_calls() const {
  double calls = 0;
  for (const auto& [index, group] : groups_)
    calls += group.unseen_mapping_calls();
  return static_cast<std::uint64_t>(calls);
}

} // namespace leakbpf
