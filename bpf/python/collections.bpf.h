/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* How often Python's garbage collector stops the program, and for how long. */
#pragma once

#include "../call.bpf.h"

/* By target id. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 8192);
  __type(key, __u32);
  __type(value, struct leakbpf_collections);
} collections SEC(".maps");

static __always_inline int collect_entry(struct pt_regs* regs) {
  struct leakbpf_target* target = probed_target(bpf_get_attach_cookie(regs));
  if (!target)
    return 1;
  count_standing_hit(target->id, LEAKBPF_STANDING_HOOKS);
  struct task_state* state = bpf_task_storage_get(&task_states, bpf_get_current_task_btf(), 0,
                                                  BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (!state)
    return 1;
  state->collecting_since = bpf_ktime_get_ns();
  return 0;
}

static __always_inline int collect_return(void) {
  struct leakbpf_target* target = current_target();
  struct task_state* state = task_state();
  if (!target || !state || !state->collecting_since)
    return 0;
  count_standing_hit(target->id, LEAKBPF_STANDING_HOOKS);
  __u64 took = bpf_ktime_get_ns() - state->collecting_since;
  state->collecting_since = 0;
  struct leakbpf_collections* known = bpf_map_lookup_elem(&collections, &target->id);
  if (!known) {
    struct leakbpf_collections none = {};
    bpf_map_update_elem(&collections, &target->id, &none, BPF_NOEXIST);
    known = bpf_map_lookup_elem(&collections, &target->id);
  }
  if (!known)
    return 0;
  __sync_fetch_and_add(&known->count, 1);
  __sync_fetch_and_add(&known->total_ns, took);
  if (took > known->longest_ns) /* one thread collects at a time */
    known->longest_ns = took;
  return 0;
}
