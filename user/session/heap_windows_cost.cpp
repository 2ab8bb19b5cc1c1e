// SPDX-License-Identifier: Apache-2.0
// What the probes of HeapWindows did, and what that cost the processes.
#include "session/heap_windows.h"

#include <algorithm>
#include <utility>

#include <unistd.h>

namespace leakbpf {

namespace {

// What is shown as the present cost is that of a stretch of at least so long.
constexpr double recent_seconds = 5;

/// Of what was done between two readings.
ProbeWork work_between(const leakbpf_activity& before, const leakbpf_activity& now) {
  return {static_cast<double>(now.hits - before.hits),
          static_cast<double>(now.work_ns - before.work_ns) / 1e9};
}

ProbeWork standing_between(const leakbpf_activity& before, const leakbpf_activity& now,
                           leakbpf_standing which) {
  const leakbpf_standing_work& from = before.standing[which];
  const leakbpf_standing_work& to = now.standing[which];
  return {static_cast<double>(to.hits - from.hits),
          static_cast<double>(to.work_ns - from.work_ns) / 1e9};
}

} // namespace

CpuTimes HeapWindows::cpu_times(const ProcessStat& stat) {
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  return {static_cast<double>(stat.user_ticks) / ticks,
          static_cast<double>(stat.system_ticks) / ticks};
}

/// What the members did since the last time.
void HeapWindows::read_members(Group& group) const {
  ProbeWork work;
  ProbeWork pools;
  ProbeWork mappings;
  const CpuTimes taken_before = group.taken;
  bool all_read = true;
  for (auto& [target, member] : group.members) {
    const leakbpf_activity now = counts_.activity(target);
    work += work_between(member.activity, now);
    pools += standing_between(member.activity, now, LEAKBPF_STANDING_POOLS);
    mappings += standing_between(member.activity, now, LEAKBPF_STANDING_MAPPINGS);
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
  if (cost <= 0)
    return;
  group.pools.add_cost(group.meter.cost_seconds(pools) * paid / cost);
  group.mappings.add(mappings, group.meter.cost_seconds(mappings) * paid / cost);
}

/// The same, by the slots of activity: members may be thousands. Who pays most decides.
void HeapWindows::read_sharing(Group& group) const {
  std::vector<bool> is_member(LEAKBPF_ACTIVITY_SLOTS + 1, false);
  for (const auto& [target, member] : group.members)
    is_member[target % LEAKBPF_ACTIVITY_SLOTS] = true;
  is_member[LEAKBPF_ACTIVITY_SLOTS] = true; // the others
  std::vector<leakbpf_activity> now = counts_.activities();
  ProbeWork all;
  std::vector<double> paid;
  std::vector<double> for_pools;
  std::vector<double> for_mappings;
  ProbeWork mappings;
  for (std::size_t slot = 0; slot < now.size(); slot++) {
    if (!is_member[slot])
      continue;
    const ProbeWork work = work_between(group.slots[slot], now[slot]);
    paid.push_back(group.meter.cost_seconds(work));
    for_pools.push_back(group.meter.cost_seconds(
        standing_between(group.slots[slot], now[slot], LEAKBPF_STANDING_POOLS)));
    const ProbeWork mapped =
        standing_between(group.slots[slot], now[slot], LEAKBPF_STANDING_MAPPINGS);
    for_mappings.push_back(group.meter.cost_seconds(mapped));
    mappings += mapped;
    all += work;
  }
  group.slots = std::move(now);
  group.work += all;
  group.cost_seconds += group.meter.cost_seconds(all);
  group.governed_seconds += sharing_budget().governed_seconds(paid);
  group.pools.add_cost(sharing_budget().governed_seconds(for_pools));
  group.mappings.add(mappings, sharing_budget().governed_seconds(for_mappings));
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

std::uint64_t HeapWindows::unseen_mapping_calls() const {
  double calls = 0;
  for (const auto& [index, group] : groups_)
    calls += group.mappings.unseen_calls(clock_());
  return static_cast<std::uint64_t>(calls);
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
