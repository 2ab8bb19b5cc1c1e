// SPDX-License-Identifier: Apache-2.0
#include "session/group_members.h"

#include "kernel/attach.h"

#include <utility>

#include <unistd.h>

namespace leakbpf {

namespace {

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

GroupMembers::GroupMembers(const ProcFs& proc, const KernelCounts& counts, bool sharing)
    : proc_(proc), counts_(counts), sharing_(sharing) {
  if (sharing_)
    slots_ = counts_.activities();
}

CpuTimes GroupMembers::cpu_times(const ProcessStat& stat) {
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  return {static_cast<double>(stat.user_ticks) / ticks,
          static_cast<double>(stat.system_ticks) / ticks};
}

void GroupMembers::add(std::uint32_t target, pid_t pid) {
  const leakbpf_activity before = counts_.activity(target);
  Member member{pid, {}, before, before};
  if (!sharing_)
    if (const auto stat = proc_.stat(pid))
      member.times = cpu_times(*stat);
  members_.emplace(target, member);
}

std::vector<pid_t> GroupMembers::owners() const {
  if (sharing_)
    return {every_process};
  std::vector<pid_t> owners;
  owners.reserve(members_.size());
  for (const auto& [target, member] : members_)
    owners.push_back(member.pid);
  return owners;
}

GroupMembers::Reading GroupMembers::read() {
  Reading reading;
  for (auto& [target, member] : members_) {
    const leakbpf_activity now = counts_.activity(target);
    reading.work += work_between(member.activity, now);
    reading.pools += standing_between(member.activity, now, LEAKBPF_STANDING_POOLS);
    reading.mappings += standing_between(member.activity, now, LEAKBPF_STANDING_MAPPINGS);
    member.activity = now;
    const auto stat = proc_.stat(member.pid);
    reading.all_read = reading.all_read && stat;
    if (!stat)
      continue;
    const CpuTimes times = cpu_times(*stat);
    reading.taken += times - member.times;
    member.times = times;
  }
  return reading;
}

GroupMembers::SharedReading GroupMembers::read_shared() {
  std::vector<bool> is_member(LEAKBPF_ACTIVITY_SLOTS + 1, false);
  for (const auto& [target, member] : members_)
    is_member[target % LEAKBPF_ACTIVITY_SLOTS] = true;
  is_member[LEAKBPF_ACTIVITY_SLOTS] = true; // the others
  std::vector<leakbpf_activity> now = counts_.activities();
  SharedReading reading;
  for (std::size_t slot = 0; slot < now.size(); slot++) {
    if (!is_member[slot])
      continue;
    reading.work_of.push_back(work_between(slots_[slot], now[slot]));
    reading.work += reading.work_of.back();
    reading.pools_of.push_back(standing_between(slots_[slot], now[slot], LEAKBPF_STANDING_POOLS));
    reading.mappings_of.push_back(
        standing_between(slots_[slot], now[slot], LEAKBPF_STANDING_MAPPINGS));
  }
  slots_ = std::move(now);
  return reading;
}

GroupMembers::Calls GroupMembers::calls() const {
  Calls calls;
  for (const auto& [target, member] : members_) {
    const leakbpf_activity& activity =
        sharing_ ? slots_[target % LEAKBPF_ACTIVITY_SLOTS] : member.activity;
    calls.all += activity.allocations - member.before.allocations;
    calls.nested += activity.nested - member.before.nested;
  }
  return calls;
}

} // namespace leakbpf
