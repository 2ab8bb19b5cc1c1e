// SPDX-License-Identifier: Apache-2.0
// The processes of a group, and what their probes did since they were looked at last.
#pragma once

#include "core/cost_meter.h"
#include "kernel/kernel_counts.h"
#include "target/proc_fs.h"

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include <sys/types.h>

namespace leakbpf {

class GroupMembers {
public:
  /// What happened between two readings.
  struct Reading {
    ProbeWork work;     ///< of all probes
    ProbeWork pools;    ///< of those of Python's pools
    ProbeWork mappings; ///< of those of calls that map memory
    CpuTimes taken;
    bool all_read = true; ///< what each of them took is known
  };
  /// The same of processes that share probes, by slots of activity: members may be thousands.
  struct SharedReading {
    ProbeWork work; ///< of all slots
    std::vector<ProbeWork> work_of;
    std::vector<ProbeWork> pools_of;
    std::vector<ProbeWork> mappings_of;
  };

  /// Both outlive the members. `sharing`: they share probes with everyone.
  GroupMembers(const ProcFs& proc, const KernelCounts& counts, bool sharing);

  void add(std::uint32_t target, pid_t pid);
  void remove(std::uint32_t target) { members_.erase(target); }
  [[nodiscard]] std::size_t size() const { return members_.size(); }
  [[nodiscard]] bool is_sharing() const { return sharing_; }
  /// Whose probes they hit: their own, or everyone's.
  [[nodiscard]] std::vector<pid_t> owners() const;

  [[nodiscard]] Reading read();
  [[nodiscard]] SharedReading read_shared();

  /// Calls since they were added, as read last: those that began within another one, and all.
  struct Calls {
    std::uint64_t nested = 0;
    std::uint64_t all = 0;
  };
  [[nodiscard]] Calls calls() const;

  /// User and system time in seconds.
  [[nodiscard]] static CpuTimes cpu_times(const ProcessStat& stat);

private:
  struct Member {
    pid_t pid = 0;
    CpuTimes times;              ///< as read last
    leakbpf_activity activity{}; ///< likewise
    leakbpf_activity before{};   ///< when it was added
  };

  const ProcFs& proc_;
  const KernelCounts& counts_;
  bool sharing_;
  std::unordered_map<std::uint32_t, Member> members_; ///< by target
  std::vector<leakbpf_activity> slots_;               ///< of sharing ones, as read last
};

} // namespace leakbpf
