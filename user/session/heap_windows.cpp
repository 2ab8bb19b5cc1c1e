// SPDX-License-Identifier: Apache-2.0
#include "session/heap_windows.h"

#include "core/sampling.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// The kernel needs up to 0.1 s to take probes out.
constexpr double out_seconds = 0.2;
// Samples in a window, in those that sampling without an end would have taken in its cycle.
constexpr double least_closeness = 0.25;
constexpr double most_closeness = 16;
// With more members than these a group is looked at no more often than that, as long as nothing is
// limited.
constexpr std::size_t most_at_a_glance = 16;
constexpr double leisurely_look_seconds = 0.5;

} // namespace

HeapWindows::HeapWindows(const ProcFs& proc, ProbeControl& control, const KernelCounts& counts,
                         Attachments& attachments, CostLimits limits, double loop_hit_seconds,
                         std::function<double()> clock,
                         std::function<void(pid_t, const Error&)> failed,
                         std::function<void(const std::string&)> warn)
    : proc_(proc), control_(control), counts_(counts), attachments_(attachments), limits_(limits),
      loop_hit_seconds_(loop_hit_seconds), clock_(std::move(clock)), failed_(std::move(failed)),
      warn_(std::move(warn)) {}

HeapWindows::Group& HeapWindows::make_group() {
  // Targets are as many as windows can be, so that there is room for each.
  const Index index = groups_.empty() ? 0 : groups_.rbegin()->first + 1;
  return groups_.try_emplace(index, index, loop_hit_seconds_).first->second;
}

HeapWindows::Index HeapWindows::sharing_group() {
  if (!sharing_) {
    Group& group = make_group();
    group.sharing = true;
    group.slots = counts_.activities();
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
  const leakbpf_activity before = counts_.activity(target);
  Member member{pid, {}, before, before};
  Group& joined = groups_.at(group);
  if (!joined.sharing)
    if (const auto stat = proc_.stat(pid))
      member.times = cpu_times(*stat);
  joined.members.emplace(target, member);
  if (!joined.open && joined.limited && !joined.sharing)
    attachments_.close_heap(pid);
  if (!joined.pools.are_in() && !joined.sharing)
    attachments_.close_pools(pid);
  if (!joined.mappings.are_in() && !joined.sharing)
    attachments_.close_mapping_calls(pid);
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
  for (auto& [index, group] : groups_) {
    const double budget =
        group.sharing ? sharing_budget().share()
                      : (by_total ? each : limits_.per_target) *
                            static_cast<double>(std::max<std::size_t>(group.members.size(), 1));
    group.governor.set_budget(budget);
    group.pools.set_budget(budget);
    group.mappings.set_budget(budget);
  }
}

SharingBudget HeapWindows::sharing_budget() const {
  return {limits_.per_target, limits_.total};
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
  group.window.pool_scale = group.pools.begin_window(
      planned ? std::optional(*planned * group.speed.speed()) : std::nullopt);
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
  control_.set_window(index, group.window);
}

void HeapWindows::end_window(Group& group) {
  ended_++;
  group.ended++;
  const double now = clock_();
  const double length = now - group.changed_at;
  const double covered = length * (group.governor.is_limiting() ? group.speed.speed() : 1);
  group.uncovered += covered - covered * group.window.scale;
  group.pools.end_window(covered);
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

void HeapWindows::open_probes(Group& group) {
  const std::vector<pid_t> owners = owners_of(group);
  for (const pid_t pid : owners)
    if (auto done = attachments_.open_heap(pid); !done)
      failed_(pid, done.error());
  if (auto done = group.pools.open(clock_(), attachments_, owners); !done && !owners.empty())
    failed_(owners.front(), done.error());
}

void HeapWindows::open(Index index, Group& group) {
  meter(group, false);
  group.metering = false;
  open_probes(group);
  read(group);
  begin_window(index, group);
  restart_meter(group);
}

void HeapWindows::close(Index index, Group& group) {
  meter(group, true);
  group.metering = false;
  leakbpf_window closed = group.window;
  closed.number = 0;
  control_.set_window(index, closed);
  if (group.limited)
    choose_closeness(group);
  end_window(group);
  group.open = false;
  group.limited = true;
  group.governor.closed(group.changed_at);
  const std::vector<pid_t> owners = owners_of(group);
  for (const pid_t pid : owners)
    attachments_.close_heap(pid);
  group.pools.close(group.changed_at, attachments_, owners);
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
    control_.set_window(index, group.window);
}

/// At the probes that are in all the time.
void HeapWindows::look_at_standing(Group& group, double now) {
  const std::vector<pid_t> owners = owners_of(group);
  group.pools.look(now, group.open, attachments_, owners);
  if (group.mappings.look(now, attachments_, owners))
    warn_(fmt::format("{}: mapping calls alone exceed the overhead limit: rows of kind mmap and "
                      "brk end here (--max-overhead 0 keeps them)",
                      group.sharing ? "processes that share probes"
                                    : fmt::format("PID {}", owners.empty() ? 0 : owners.front())));
}

/// A look costs some system calls for each member.
double HeapWindows::next_look(const Group& group) const {
  const double now = clock_();
  const double next = group.governor.next_look(now);
  if (group.members.size() > most_at_a_glance)
    return group.governor.is_limiting() ? next : std::max(next, now + leisurely_look_seconds);
  return group.open ? next
                    : std::min({next, group.pools.next_look(now), group.mappings.next_look(now)});
}

void HeapWindows::look(Index index, Group& group) {
  read(group);
  find_layers(index, group);
  const double now = clock_();
  look_at_standing(group, now);
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
  group.next_look = next_look(group);
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
  state.pool_scale = asked.window.pool_scale;
  state.mappings_unseen = !asked.mappings.are_in();
  state.mean_bytes = sampling_row_mean(limits_.mean_bytes, asked.window.row);
  state.limited = asked.limited;
  state.ended = asked.ended;
  if (asked.limited)
    state.uncovered_seconds =
        std::max(asked.uncovered + (asked.open ? 0 : clock_() - asked.changed_at), 0.0);
  return state;
}

} // namespace leakbpf
