/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Totals by call stack. */
#pragma once

#include "stack.bpf.h"

static __always_inline struct leakbpf_site_totals* site_insert(const struct leakbpf_site_key* key) {
  struct leakbpf_site_totals zero = {};
  bpf_map_update_elem(&sites, key, &zero, BPF_NOEXIST); /* EEXIST: another thread was first */
  return bpf_map_lookup_elem(&sites, key);
}

/* The totals of the walked stack's site; on return key->stack_hash is 0 when the stack itself could
 * not be kept. NULL, counted, when there is no room for the site either. */
static __always_inline struct leakbpf_site_totals* site_of(struct leakbpf_site_key* key,
                                                           struct task_state* state) {
  struct leakbpf_site_totals* totals = bpf_map_lookup_elem(&sites, key);
  if (likely(totals))
    return totals;
  key->stack_hash = stack_record(state, key->stack_hash);
  totals = bpf_map_lookup_elem(&sites, key);
  if (!totals)
    totals = site_insert(key);
  if (!totals)
    count_loss(LEAKBPF_LOSS_SITE_TABLE_FULL);
  return totals;
}

static __always_inline void site_add_allocated(struct leakbpf_site_totals* totals, __u64 bytes) {
  __sync_fetch_and_add(&totals->allocated_bytes, bytes);
  __sync_fetch_and_add(&totals->allocated_count, 1);
}

static __always_inline void site_add_freed(struct leakbpf_site_totals* totals, __u64 bytes) {
  __sync_fetch_and_add(&totals->freed_bytes, bytes);
  __sync_fetch_and_add(&totals->freed_count, 1);
}
