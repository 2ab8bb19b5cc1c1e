/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counters of work done and of things lost. Uprobe programs are preemptible, so even per-CPU
 * counters that must be right are added to atomically. */
#pragma once

#include "config.bpf.h"
#include "maps.bpf.h"

static __always_inline struct leakbpf_counters* counters_here(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&counters, &zero);
}

/* The kernel runs no program at a page fault while another is at work on this CPU, or a system call
 * of BPF is that was preempted there, and does not say so: user space compares. Preemption is off.
 */
static __always_inline void count_page_fault(void) {
  struct leakbpf_counters* counters_cpu = counters_here();
  if (likely(counters_cpu))
    counters_cpu->page_faults++;
}

/* Counts a hit, and an allocation or a free of the heap. An estimate will do: no atomics. */
static __always_inline void count_call(__u32 target, __u32 allocations, __u32 frees) {
  __u32 slot = target % LEAKBPF_ACTIVITY_SLOTS;
  struct leakbpf_activity* of_target = bpf_map_lookup_elem(&activity, &slot);
  if (unlikely(!of_target))
    return;
  of_target->hits++;
  of_target->allocations += allocations;
  of_target->frees += frees;
}

/* Time that went by since `begin` was spent on what the target asked nobody for. */
static __always_inline void count_work(__u32 target, __u64 begin, __u64 end) {
  __u32 slot = target % LEAKBPF_ACTIVITY_SLOTS;
  struct leakbpf_activity* of_target = bpf_map_lookup_elem(&activity, &slot);
  if (likely(of_target))
    of_target->work_ns += end - begin;
}

static __always_inline void count_nested(__u32 target) {
  __u32 slot = target % LEAKBPF_ACTIVITY_SLOTS;
  struct leakbpf_activity* of_target = bpf_map_lookup_elem(&activity, &slot);
  if (likely(of_target))
    of_target->nested++;
}

/* A process that is no target, or has probes of its own, hit a shared one. What leakbpf pays itself
 * is nobody else's loss. */
static __always_inline void count_other_hit(void) {
  if (bpf_get_current_pid_tgid() >> 32 == config_own_tgid)
    return;
  __u32 slot = LEAKBPF_ACTIVITY_SLOTS;
  struct leakbpf_activity* of_others = bpf_map_lookup_elem(&activity, &slot);
  if (likely(of_others))
    of_others->hits++;
}

static __always_inline void count_hit(__u32 target) {
  count_call(target, 0, 0);
}

/* A hit of a probe that is not the heap's. */
static __always_inline void count_standing_hit(__u32 target, enum leakbpf_standing which) {
  __u32 slot = target % LEAKBPF_ACTIVITY_SLOTS;
  struct leakbpf_activity* of_target = bpf_map_lookup_elem(&activity, &slot);
  if (unlikely(!of_target))
    return;
  of_target->hits++;
  of_target->standing[which].hits++;
}

/* As count_work(), of such a probe. */
static __always_inline void count_standing_work(__u32 target, enum leakbpf_standing which,
                                                __u64 begin, __u64 end) {
  __u32 slot = target % LEAKBPF_ACTIVITY_SLOTS;
  struct leakbpf_activity* of_target = bpf_map_lookup_elem(&activity, &slot);
  if (unlikely(!of_target))
    return;
  of_target->work_ns += end - begin;
  of_target->standing[which].work_ns += end - begin;
}

static __always_inline void count_loss(enum leakbpf_loss loss) {
  struct leakbpf_counters* counters_cpu = counters_here();
  if (likely(counters_cpu))
    __sync_fetch_and_add(&counters_cpu->losses[loss], 1);
}
