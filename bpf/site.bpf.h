/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Call stacks and their totals. */
#pragma once

#include "events.bpf.h"
#include "walk.bpf.h"

/* Keeps the walked stack in the table; a stack that is there already is left alone. Returns its
 * hash, or 0 when it could not be kept. */
static NO_INLINE __u64 stack_record(struct leakbpf_stack* stack, __u64 hash, __u32 target) {
  if (!stack)
    return 0;
  int error = (int)bpf_map_update_elem(&stacks, &hash, stack, BPF_NOEXIST);
  if (error == -ERROR_EXISTS) {
    struct leakbpf_stack* kept = bpf_map_lookup_elem(&stacks, &hash);
    if (kept && (kept->check != stack->check || kept->depth != stack->depth))
      count_loss(LEAKBPF_LOSS_STACK_COLLISIONS);
    return hash;
  }
  if (error) {
    count_loss(LEAKBPF_LOSS_STACK_TABLE_FULL);
    return 0;
  }
  if (stack->end == LEAKBPF_STACK_TRUNCATED)
    count_loss(LEAKBPF_LOSS_UNWIND_TRUNCATED);
  else if (stack->end == LEAKBPF_STACK_BROKEN)
    count_loss(LEAKBPF_LOSS_UNWIND_FAILED);
  emit_new_stack(hash, target);
  return hash;
}

static __always_inline struct leakbpf_site_totals* site_insert(const struct leakbpf_site_key* key) {
  struct leakbpf_site_totals zero = {};
  bpf_map_update_elem(&sites, key, &zero, BPF_NOEXIST); /* EEXIST: another thread was first */
  return bpf_map_lookup_elem(&sites, key);
}

/* The totals of the walked stack's site; on return key->stack_hash is 0 when the stack itself could
 * not be kept. NULL, counted, when there is no room for the site either. */
static __always_inline struct leakbpf_site_totals* site_of(struct leakbpf_site_key* key,
                                                           struct leakbpf_stack* stack) {
  struct leakbpf_site_totals* totals = bpf_map_lookup_elem(&sites, key);
  if (likely(totals))
    return totals;
  key->stack_hash = stack_record(stack, key->stack_hash, key->target);
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
