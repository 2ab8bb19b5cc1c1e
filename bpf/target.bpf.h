/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Is the current process traced? */
#pragma once

#include "counters.bpf.h"

static __always_inline struct leakbpf_target* current_target(void) {
  __u32 tgid = bpf_get_current_pid_tgid() >> 32;
  return bpf_map_lookup_elem(&targets, &tgid);
}

/* The current process, when a probe with this cookie counts for it. */
static __always_inline struct leakbpf_target* probed_target(__u64 cookie) {
  struct leakbpf_target* target = current_target();
  __u16 shared = (cookie & LEAKBPF_COOKIE_SHARED) != 0;
  if (likely(target && target->shared == shared))
    return target;
  if (shared)
    count_other_hit();
  return 0;
}

/* 0 when there is no id to give. */
static __always_inline __u32 next_target_id(void) {
  __u32 zero = 0;
  __u32* last = bpf_map_lookup_elem(&last_target_id, &zero);
  return last ? __sync_fetch_and_add(last, 1) + 1 : 0;
}
