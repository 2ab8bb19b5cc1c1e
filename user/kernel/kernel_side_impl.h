// SPDX-License-Identifier: Apache-2.0
// What the parts of KernelSide share.
#pragma once

#include "kernel/kernel_side.h"
#include "kernel/map_access.h"
#include "kernel/page_faults.h"
#include "leakbpf.skel.h"

#include <array>
#include <memory>
#include <vector>

namespace leakbpf {

/// Ids given out here have this bit, those given out by the BPF programs (fork, exec) do not.
constexpr std::uint32_t first_own_id = 1U << 31;

struct SkeletonCloser {
  void operator()(leakbpf_bpf* skeleton) const { leakbpf_bpf__destroy(skeleton); }
};

struct RingCloser {
  void operator()(ring_buffer* ring) const { ring_buffer__free(ring); }
};

using EventHandler = std::function<void(const leakbpf_event&)>;

struct KernelSide::Impl {
  KernelConfig config;
  std::unique_ptr<leakbpf_bpf, SkeletonCloser> skeleton;
  std::vector<Link> life_cycle_links;
  PageFaults page_faults;
  // The callback's context must not move, hence the box.
  std::unique_ptr<const EventHandler*> handler = std::make_unique<const EventHandler*>(nullptr);
  std::unique_ptr<ring_buffer, RingCloser> ring;
  std::uint32_t next_own_id = first_own_id;
  MapAccess access;
  // What could be read last stands for what cannot be read: counts never go back.
  leakbpf_counters last_counters{};
  std::vector<leakbpf_activity> last_activities =
      std::vector<leakbpf_activity>(LEAKBPF_ACTIVITY_SLOTS + 1);
};

/// Of the system, in the order in which they are attached.
[[nodiscard]] inline std::array<bpf_program*, 3> life_cycle_programs(const leakbpf_bpf* skeleton) {
  return {skeleton->progs.on_fork, skeleton->progs.on_exec, skeleton->progs.on_exit};
}

} // namespace leakbpf
