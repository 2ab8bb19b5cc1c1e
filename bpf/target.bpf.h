/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Is the current process traced? */
#pragma once

#include "maps.bpf.h"

static __always_inline struct leakbpf_target* current_target(void) {
  __u32 tgid = bpf_get_current_pid_tgid() >> 32;
  return bpf_map_lookup_elem(&targets, &tgid);
}

/* 0 when there is no id to give. */
static __always_inline __u32 next_target_id(void) {
  __u32 zero = 0;
  __u32* last = bpf_map_lookup_elem(&last_target_id, &zero);
  return last ? __sync_fetch_and_add(last, 1) + 1 : 0;
}
