// SPDX-License-Identifier: Apache-2.0
#include "session/heap_windows.h"

#include "core/sampling.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <unistd.h>

namespace leakbpf {

namespace {

// The kernel needs up to 0.1 s to take probes out.
constexpr double out_seconds = 0.2;
// What is shown as the present cost is that of a stretch of at least so long.
constexpr double recent_seconds = 5;
// Samples in a window, in those that sampling without an end would have taken in its cycle.
constexpr double least_closeness = 0.25;
constexpr double most_closeness = 16;

CpuTimes cpu_times(const ProcessStat& stat) {
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  return {static_cast<double>(stat.user_ticks) / ticks,
          static_cast<double>(stat.system_ticks) / ticks};
}

} // namespace

HeapWindows::HeapWindows(const ProcFs& proc, const KernelSide& kernel, Attachments& attachments,
                         CostLimits limits, double loop_hit_seconds, std::function<double()> clock,
                         std::function<void(const std::string&)> warn)
    : proc_(proc), kernel_(kernel), attachments_(attachments), limits_(limits),
      loop_hit_seconds_(loop_hit_seconds), clock_(std::move(clock)), warn_(std::move(warn)) {}

HeapWindows::Group& HeapWindows::make_group() {
  // Targets are as many as windows can be, so that there is room for each.
  const Index index = groups_.empty() ? 0 : groups_.rbegin()->first + 1;
  return groups_.try_emplace(index, index, loop_hit_seconds_).first->second;
}

HeapWindows::Index HeapWindows::sharing_group() {
  if (!sharing_) {
    Group& group = make_group();
    group.sharing = true;
    group.slots = kernel_.activities();
    sharing_ = groups_.rbegin()->first;
  }
  return *sharing_;
}

HeapWindows::Index HeapWindows::add_group(pid_t pid) {
  Group& group = make_group();
  if (const auto stat = proc_.stat(pid))
    group.meter.add_free(cpu_times(*stat));
  return groups_.rbegin()->first;
}

void HeapWindows::start(Index group) {
  Group& started = groups_.at(group);
  if (std::exchange(started.started, true))
    return;
  started.started_at = started.recent_from = started.changed_at = clock_();
  find_layers(group, started);
  share_budget();
  begin_window(group, started);
}

void HeapWindows::add(Index group, std::uint32_t target, pid_t pid) {
  const leakbpf_activity before = kernel_.activity(target);
  Member member{pid, {}, before, before};
  Group& joined = groups_.at(group);
  if (!joined.sharing)
    if (const auto stat = proc_.stat(pid))
      member.times = cpu_times(*stat);
  joined.members.emplace(target, member);
  if (!joined.open && joined.limited && !joined.sharing)
    attachments_.close_heap(pid);
  share_budget();
}

void HeapWindows::remove(Index group, std::uint32_t target) {
  Group& left = groups_.at(group);
  left.members.erase(target);
  if (left.members.empty() && left.open && !left.sharing) { // nobody will look at it again
    end_window(left);
    left.open = false;
  }
  share_budget();
}

/// Each target has the same share of what all together may cost.
void HeapWindows::share_budget() {
  std::size_t all = 0;
  for (const auto& [index, group] : groups_)
    all += group.members.size();
  const double each = all > 0 ? limits_.total / static_cast<double>(all) : limits_.total;
  const bool by_total = limits_.total > 0 && (limits_.per_target <= 0 || each < limits_.per_target);
  for (auto& [index, group] : groups_)
    group.governor.set_budget(
        group.sharing ? sharing_budget().share()
                      : (by_total ? each : limits_.per_target) *
                            static_cast<double>(std::max<std::size_t>(group.members.size(), 1)));
}

SharingBudget HeapWindows::sharing_budget() const {
  return {limits_.per_target, limits_.total};
}

/// What the members did since the last time.
void HeapWindows::read_members(Group& group) const {
  ProbeWork work;
  const CpuTimes taken_before = group.taken;
  bool all_read = true;
  for (auto& [target, member] : group.members) {
    const leakbpf_activity now = kernel_.activity(target);
    work.hits += static_cast<double>(now.hits - member.activity.hits);
    work.following_seconds += static_cast<double>(now.work_ns - member.activity.work_ns) / 1e9;
    member.activity = now;
    const auto stat = proc_.stat(member.pid);
    all_read = all_read && stat;
    if (!stat)
      continue;
    group.taken += cpu_times(*stat) - member.times;
    member.times = cpu_times(*stat);
  }
  group.work += work;
  const double cost = group.meter.cost_seconds(work);
  const CpuTimes taken = group.taken - taken_before;
  // Of a process that has ended nobody knows what it took.
  const double paid = all_read ? group.bound.bounded(cost, taken.user + taken.system) : cost;
  group.cost_seconds += paid;
  group.governed_seconds += paid;
}

/// The same, by the slots of activity: members may be thousands. Who pays most decides.
void HeapWindows::read_sharing(Group& group) const {
  std::vector<bool> is_member(LEAKBPF_ACTIVITY_SLOTS + 1, false);
  for (const auto& [target, member] : group.members)
    is_member[target % LEAKBPF_ACTIVITY_SLOTS] = true;
  is_member[LEAKBPF_ACTIVITY_SLOTS] = true; // the others
  std::vector<leakbpf_activity> now = kernel_.activities();
  ProbeWork all;
  std::vector<double> paid;
  for (std::size_t slot = 0; slot < now.size(); slot++) {
    if (!is_member[slot])
      continue;
    const ProbeWork work{static_cast<double>(now[slot].hits - group.slots[slot].hits),
                         static_cast<double>(now[slot].work_ns - group.slots[slot].work_ns) / 1e9};
    paid.push_back(group.meter.cost_seconds(work));
    all += work;
  }
  group.slots = std::move(now);
  group.work += all;
  group.cost_seconds += group.meter.cost_seconds(all);
  group.governed_seconds += sharing_budget().governed_seconds(paid);
}

void HeapWindows::read(Group& group) const {
  if (group.sharing)
    read_sharing(group);
  else
    read_members(group);
  const double now = clock_();
  if (now - group.recent_from < recent_seconds)
    return;
  group.recent_share = (group.cost_seconds - group.recent_cost) / (now - group.recent_from);
  group.recent_from = now;
  group.recent_cost = group.cost_seconds;
}

void HeapWindows::restart_meter(Group& group) {
  group.metered_taken = group.taken;
  group.metered_work = group.work;
  group.metering = !group.sharing; // what thousands of processes take is not looked at
}

void HeapWindows::meter(Group& group, bool probed) {
  if (!group.metering)
    return;
  if (probed)
    group.meter.add_probed(group.taken - group.metered_taken, group.work - group.metered_work);
  else
    group.meter.add_free(group.taken - group.metered_taken);
  restart_meter(group);
}

void HeapWindows::begin_window(Index index, Group& group) {
  const double now = clock_();
  group.governor.opened(now, group.governed_seconds);
  const double gap = now - group.changed_at;
  group.speed.add_free(group.taken - group.taken_at_change, gap);
  group.taken_at_change = group.taken;
  group.uncovered += gap;
  group.changed_at = now;
  group.open = true;
  group.work_at_open = group.work;
  group.window.number++;
  group.window.scale = 1;
  const auto planned = group.governor.planned_seconds();
  if (planned) {
    const double covered = *planned * group.speed.speed();
    group.window.scale = static_cast<std::uint32_t>(std::clamp(
        std::round((group.uncovered + covered) / covered), 1.0, double{LEAKBPF_MAX_SCALE}));
  }
  // The shorter the window, the closer together its samples; and closer than that, since next to
  // the traps that are paid for in any case a sample is cheap.
  if (planned)
    group.window.row =
        sampling_row(limits_.mean_bytes, std::min(1.0, 1 / (group.closeness * group.window.scale)));
  else
    group.window.row = 0;
  kernel_.set_window(index, group.window);
}

void HeapWindows::end_window(Group& group) {
  ended_++;
  group.ended++;
  const double now = clock_();
  const double length = now - group.changed_at;
  const double covered = length * (group.governor.is_limiting() ? group.speed.speed() : 1);
  group.uncovered += covered - covered * group.window.scale;
  const double cost = group.meter.cost_seconds(group.work - group.work_at_open);
  group.speed.add_probed(group.taken - group.taken_at_change, cost, length);
  group.taken_at_change = group.taken;
  group.open_seconds += length;
  group.changed_at = now;
}

/// Most is learnt for the cost when following blocks costs about as much as the traps, which are
/// paid for in any case.
void HeapWindows::choose_closeness(Group& group) {
  const ProbeWork work = group.work - group.work_at_open;
  const double traps = work.hits * group.meter.hit_seconds();
  if (work.following_seconds > traps)
    group.closeness = std::max(group.closeness / 2, least_closeness);
  else if (work.following_seconds < traps / 4)
    group.closeness = std::min(group.closeness * 2, most_closeness);
}

void HeapWindows::open(Index index, Group& group) {
  meter(group, false);
  group.metering = false;
  for (const pid_t pid : owners_of(group))
    if (auto done = attachments_.open_heap(pid); !done)
      warn_(done.error().message);
  read(group);
  begin_window(index, group);
  restart_meter(group);
}

void HeapWindows::close(Index index, Group& group) {
  meter(group, true);
  group.metering = false;
  leakbpf_window closed = group.window;
  closed.number = 0;
  kernel_.set_window(index, closed);
  if (group.limited)
    choose_closeness(group);
  end_window(group);
  group.open = false;
  group.limited = true;
  group.governor.closed(group.changed_at);
  for (const pid_t pid : owners_of(group))
    attachments_.close_heap(pid);
}

/// Of the members' probes.
std::vector<pid_t> HeapWindows::owners_of(const Group& group) {
  if (group.sharing)
    return {every_process};
  std::vector<pid_t> owners;
  owners.reserve(group.members.size());
  for (const auto& [target, member] : group.members)
    owners.push_back(member.pid);
  return owners;
}

/// Whether its allocators call each other shows in its first calls.
void HeapWindows::find_layers(Index index, Group& group) {
  constexpr std::uint64_t enough_calls = 2000;
  std::size_t files = 0;
  std::uint64_t allocations = 0;
  std::uint64_t nested = 0;
  for (const pid_t pid : owners_of(group))
    files = std::max(files, attachments_.heap_files(pid));
  for (const auto& [target, member] : group.members) {
    const leakbpf_activity& activity =
        group.sharing ? group.slots[target % LEAKBPF_ACTIVITY_SLOTS] : member.activity;
    allocations += activity.allocations - member.before.allocations;
    nested += activity.nested - member.before.nested;
  }
  if (files != group.heap_files) { // the first time, and when another was mapped
    group.heap_files = files;
    group.window.layered = files > 1 ? 1 : 0;
  } else if (group.window.layered == 0 || nested > 0 || allocations < enough_calls) {
    return;
  } else {
    group.window.layered = 0;
  }
  if (group.open)
    kernel_.set_window(index, group.window);
}

void HeapWindows::look(Index index, Group& group) {
  read(group);
  find_layers(index, group);
  const double now = clock_();
  const bool was_limiting = group.governor.is_limiting();
  if (!group.open) {
    if (!group.metering && now - group.changed_at >= out_seconds)
      restart_meter(group);
    if (group.governor.should_open(now, group.governed_seconds))
      open(index, group);
  } else if (group.governor.should_close(now, group.governed_seconds)) {
    close(index, group);
  } else {
    meter(group, true);
    if (was_limiting && !group.governor.is_limiting()) { // no end is foreseen any more
      end_window(group);
      group.uncovered = 0;
      begin_window(index, group);
    }
  }
  group.next_look = group.governor.next_look(clock_());
}

void HeapWindows::run() {
  for (auto& [index, group] : groups_)
    if (!group.members.empty() && clock_() >= group.next_look)
      look(index, group);
}

double HeapWindows::next_run() const {
  double next = clock_() + 3600;
  for (const auto& [index, group] : groups_)
    if (!group.members.empty())
      next = std::min(next, group.next_look);
  return next;
}

void HeapWindows::finish() {
  for (auto& [index, group] : groups_)
    if (group.open) {
      read(group);
      meter(group, true);
      end_window(group);
      group.open = false;
    }
}

WindowState HeapWindows::state(Index group) const {
  const Group& asked = groups_.at(group);
  WindowState state;
  state.unfinished = asked.open && asked.governor.is_limiting();
  state.number = asked.window.number;
  state.scale = asked.window.scale;
  state.mean_bytes = sampling_row_mean(limits_.mean_bytes, asked.window.row);
  state.limited = asked.limited;
  state.ended = asked.ended;
  return state;
}

TracingCost HeapWindows::cost(Index group) const {
  const Group& asked = groups_.at(group);
  const double now = clock_();
  const double traced = std::max(now - asked.started_at, 1e-3);
  const double open = asked.open_seconds + (asked.open ? now - asked.changed_at : 0);
  TracingCost cost;
  cost.hits = asked.work.hits;
  cost.share = asked.cost_seconds / traced;
  cost.present_share = asked.recent_share.value_or(cost.share);
  cost.hit_seconds = asked.meter.hit_seconds();
  cost.corrected = asked.meter.is_corrected();
  cost.duty = asked.limited ? std::clamp(open / traced, 0.0, 1.0) : 1;
  return cost;
}

} // namespace leakbpf
