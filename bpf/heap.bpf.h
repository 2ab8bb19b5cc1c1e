/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Heap blocks: malloc, realloc, free and their families.
 *
 * A block's bytes are in its site's totals exactly when the block is in `live`, or is held by a
 * realloc in progress. realloc takes the old block out at entry, because another thread may be
 * given its address before realloc returns, and puts it back when the call failed. */
#pragma once

#include "registers.bpf.h"
#include "site.bpf.h"

static __always_inline void block_freed(const struct leakbpf_block* block, __u32 target,
                                        __u32 kind) {
  struct leakbpf_site_key key = {.stack_hash = block->stack_hash, .target = target, .kind = kind};
  struct leakbpf_site_totals* totals = bpf_map_lookup_elem(&sites, &key);
  if (likely(totals))
    site_add_freed(totals, block->size);
}

/* Takes the block at `address` out of the live table. */
static __always_inline bool block_take(const struct leakbpf_block_key* place,
                                       struct leakbpf_block* taken) {
  struct leakbpf_block_key key = *place;
  struct leakbpf_block* block = bpf_map_lookup_elem(&live, &key);
  if (!block)
    return false;
  *taken = *block;
  return bpf_map_delete_elem(&live, &key) == 0;
}

/* Puts a block into the live table. An older block at its address was freed without our seeing it:
 * its site is told now. (Of Python's pools that is the rule: user space looks for those that became
 * empty from time to time.) False, counted, when the table is full. */
static __always_inline bool block_put(const struct leakbpf_block_key* place,
                                      const struct leakbpf_block* block) {
  struct leakbpf_block_key key = *place;
  int error = (int)bpf_map_update_elem(&live, &key, block, BPF_NOEXIST);
  if (likely(!error))
    return true;
  if (error == -ERROR_EXISTS) {
    struct leakbpf_block stale;
    if (block_take(&key, &stale)) {
      if (key.kind == LEAKBPF_KIND_HEAP)
        count_loss(LEAKBPF_LOSS_MISSED_FREES);
      block_freed(&stale, key.target, key.kind);
    }
    if (!bpf_map_update_elem(&live, &key, block, BPF_ANY))
      return true;
  }
  count_loss(LEAKBPF_LOSS_LIVE_TABLE_FULL);
  return false;
}

static __always_inline struct leakbpf_block_key heap_block(__u64 address, __u32 target) {
  struct leakbpf_block_key key = {.address = address, .target = target, .kind = LEAKBPF_KIND_HEAP};
  return key;
}

/* A block from before the attach was given back. An estimate will do: no atomics. */
static __always_inline void unknown_freed(__u32 target) {
  __u32 slot = target % LEAKBPF_UNKNOWN_FREES_SLOTS;
  __u64* count = bpf_map_lookup_elem(&unknown_frees, &slot);
  if (likely(count))
    (*count)++;
}

/* From 3.12 on the function is told which interpreter's heap it serves; earlier there is one. */
static __always_inline void python_heap_seen(const struct call* call) {
  if (!bpf_map_lookup_elem(&python_heaps, &call->target))
    bpf_map_update_elem(&python_heaps, &call->target, &call->pointer, BPF_NOEXIST);
}

static __always_inline void block_allocated(struct pt_regs* regs, struct task_state* state,
                                            __u64 address) {
  struct call* call = &state->call;
  struct leakbpf_block_key place = heap_block(address, call->target);
  if (LEAKBPF_COOKIE_OPERATION(call->cookie) == LEAKBPF_OP_PYTHON_POOL) {
    call->size = 1ULL << LEAKBPF_COOKIE_SIZE_ARG(call->cookie);
    python_heap_seen(call);
    place.address &= ~(call->size - 1);
    place.kind = LEAKBPF_KIND_PYTHON;
  }
  if (call->size < config_min_size || call->size > config_max_size)
    return;
  struct leakbpf_site_key key = {
      .stack_hash = stack_at_return(regs, state), .target = call->target, .kind = place.kind};
  struct leakbpf_site_totals* totals = site_of(&key, state);
  if (unlikely(!totals))
    return;
  struct leakbpf_block block = {
      .size = call->size, .stack_hash = key.stack_hash, .time_ns = bpf_ktime_get_ns()};
  if (likely(block_put(&place, &block)))
    site_add_allocated(totals, block.size);
}

/* Entries return 1 when the call's return need not be seen. */
static __always_inline int allocate_entry(struct pt_regs* regs) {
  struct leakbpf_target* target = current_target();
  if (!target)
    return 1;
  count_hit();
  __u64 cookie = bpf_get_attach_cookie(regs);
  struct task_state* state = call_begin(regs, target, cookie);
  if (!state)
    return 1;
  struct arguments args = read_arguments(regs);
  state->call.size = requested_size(&args, cookie);
  state->call.pointer = args.first; /* where posix_memalign stores its result */
  return 0;
}

static __always_inline int allocate_return(struct pt_regs* regs) {
  struct task_state* state = call_end(regs);
  if (!state)
    return 0;
  count_hit();
  __u64 address = result(regs);
  if (LEAKBPF_COOKIE_RESULT_IN_MEMORY(state->call.cookie)) {
    if ((__u32)address != 0) /* an error number: nothing was stored */
      return 0;
    if (bpf_probe_read_user(&address, sizeof(address), (void*)state->call.pointer))
      return 0;
  }
  if (address)
    block_allocated(regs, state, address);
  return 0;
}

static __always_inline int free_entry(struct pt_regs* regs) {
  struct leakbpf_target* target = current_target();
  struct leakbpf_block block;
  if (!target)
    return 0;
  count_hit();
  call_begin_first_free(regs);
  struct leakbpf_block_key place = heap_block(regs->di, target->id);
  if (!place.address)
    return 0;
  if (block_take(&place, &block))
    block_freed(&block, target->id, LEAKBPF_KIND_HEAP);
  else
    unknown_freed(target->id);
  return 0;
}

static __always_inline int reallocate_entry(struct pt_regs* regs) {
  struct leakbpf_target* target = current_target();
  if (!target)
    return 1;
  count_hit();
  __u64 cookie = bpf_get_attach_cookie(regs);
  struct task_state* state = call_begin(regs, target, cookie);
  if (!state)
    return 1;
  struct arguments args = read_arguments(regs);
  state->call.size = requested_size(&args, cookie);
  state->call.pointer = argument(&args, LEAKBPF_COOKIE_POINTER_ARG(cookie));
  struct leakbpf_block_key place = heap_block(state->call.pointer, target->id);
  if (place.address)
    state->call.holds_block = block_take(&place, &state->call.block);
  if (place.address && !state->call.holds_block)
    unknown_freed(target->id);
  return 0;
}

static __always_inline int reallocate_return(struct pt_regs* regs) {
  struct task_state* state = call_end(regs);
  if (!state)
    return 0;
  count_hit();
  __u64 address = result(regs);
  /* NULL for a size of 0 means freed (glibc, tcmalloc); for any other size it means failed. */
  if (state->call.holds_block) {
    struct leakbpf_block_key place = heap_block(state->call.pointer, state->call.target);
    if (address || !state->call.size)
      block_freed(&state->call.block, state->call.target, LEAKBPF_KIND_HEAP);
    else
      block_put(&place, &state->call.block);
  }
  if (address)
    block_allocated(regs, state, address);
  return 0;
}
