/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counters of work done and of things lost. Uprobe programs are preemptible, so even per-CPU
 * counters that must be right are added to atomically. */
#pragma once

#include "maps.bpf.h"

static __always_inline struct leakbpf_counters* counters_here(void) {
  __u32 zero = 0;
  return bpf_map_lookup_elem(&counters, &zero);
}

static __always_inline void count_hit(void) {
  struct leakbpf_counters* counters_cpu = counters_here();
  if (likely(counters_cpu))
    counters_cpu->hits++;
}

static __always_inline void count_loss(enum leakbpf_loss loss) {
  struct leakbpf_counters* counters_cpu = counters_here();
  if (likely(counters_cpu))
    __sync_fetch_and_add(&counters_cpu->losses[loss], 1);
}
