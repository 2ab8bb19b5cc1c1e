/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Totals by call stack. */
#pragma once

#include "config.bpf.h"
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
  if (key->stack_hash)
    key->stack_hash = stack_record(state, key->stack_hash);
  totals = bpf_map_lookup_elem(&sites, key);
  if (!totals)
    totals = site_insert(key);
  if (!totals)
    count_loss(LEAKBPF_LOSS_SITE_TABLE_FULL);
  return totals;
}

/* Counts what is outstanding of the blocks of the window that is open. A hit that comes between the
 * two steps of the first block may be lost: these are a correction of an estimate. */
static __always_inline void site_add_young(struct leakbpf_site_totals* totals, __u32 window,
                                           __s64 bytes, __s64 count) {
  if (!config_windows)
    return;
  if (totals->young_window != window) {
    totals->young_window = window;
    totals->young_bytes = 0;
    totals->young_count = 0;
  }
  __sync_fetch_and_add(&totals->young_bytes, bytes);
  __sync_fetch_and_add(&totals->young_count, count);
}

static __always_inline void site_add_allocated(struct leakbpf_site_totals* totals,
                                               const struct leakbpf_block* block) {
  __u64 bytes = block->size * block->weight;
  __sync_fetch_and_add(&totals->allocated_bytes, bytes);
  __sync_fetch_and_add(&totals->allocated_count, block->weight);
  site_add_young(totals, block->window, (__s64)bytes, (__s64)block->weight);
}

/* `window`: the number of the one that is open. */
static __always_inline void site_add_freed(struct leakbpf_site_totals* totals,
                                           const struct leakbpf_block* block, __u32 window) {
  __u64 bytes = block->size * block->weight;
  __sync_fetch_and_add(&totals->freed_bytes, bytes);
  __sync_fetch_and_add(&totals->freed_count, block->weight);
  if (block->window == window)
    site_add_young(totals, window, -(__s64)bytes, -(__s64)block->weight);
}
