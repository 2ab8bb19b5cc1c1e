/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Heap blocks: malloc, realloc, free and their families.
 *
 * A block's bytes are in its site's totals exactly when the block is in `live`, or is held by a
 * realloc in progress. realloc takes the old block out at entry, because another thread may be
 * given its address before realloc returns, and puts it back when the call failed. */
#pragma once

#include "range.bpf.h"
#include "registers.bpf.h"
#include "site.bpf.h"

/* `window`: the number of the window that is open. */
static __always_inline void block_freed(const struct leakbpf_block* block, __u32 target, __u32 kind,
                                        __u32 window) {
  struct leakbpf_site_key key = {.stack_hash = block->stack_hash, .target = target, .kind = kind};
  struct leakbpf_site_totals* totals = bpf_map_lookup_elem(&sites, &key);
  if (likely(totals))
    site_add_freed(totals, block, window);
}

/* Takes the block at `address` out of the live table. */
static __always_inline bool block_take(const struct leakbpf_block_key* place,
                                       struct leakbpf_block* taken) {
  struct leakbpf_block_key key = *place;
  struct leakbpf_block* block = bpf_map_lookup_elem(&live, &key);
  if (likely(!block))
    return false;
  *taken = *block;
  return bpf_map_delete_elem(&live, &key) == 0;
}

/* Puts a block into the live table. An older block at its address was freed without our seeing it:
 * its site is told now. That is the rule of Python's pools and of pages, of which user space
 * looks for those that became empty or were given back from time to time, and of blocks that were
 * freed while no window was open.
 * False, counted, when the table is full. */
static __always_inline bool block_put(const struct leakbpf_block_key* place,
                                      const struct leakbpf_block* block) {
  struct leakbpf_block_key key = *place;
  int error = (int)bpf_map_update_elem(&live, &key, block, BPF_NOEXIST);
  if (likely(!error))
    return true;
  if (error == -ERROR_EXISTS) {
    struct leakbpf_block stale;
    if (block_take(&key, &stale)) {
      if (key.kind == LEAKBPF_KIND_HEAP && stale.window == block->window)
        count_loss(LEAKBPF_LOSS_MISSED_FREES);
      block_freed(&stale, key.target, key.kind, block->window);
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

/* From 3.12 on the function is told which interpreter's heap it serves; earlier there is one. */
static __always_inline void python_heap_seen(const struct call* call) {
  if (!bpf_map_lookup_elem(&python_heaps, &call->target))
    bpf_map_update_elem(&python_heaps, &call->target, &call->pointer, BPF_NOEXIST);
}

static __always_inline bool is_python_pool(__u64 cookie) {
  return LEAKBPF_COOKIE_OPERATION(cookie) == LEAKBPF_OP_PYTHON_POOL;
}

/* A block with a mapping of its own, as glibc makes them of large ones, is known by that mapping
 * when no window is open: in a window it stands for itself, too. */
static __always_inline __u32 block_weight(const struct call* call, __u64 address) {
  bool own_mapping = call->maps_memory && (address & PAGE_MASK) == LEAKBPF_MAPPED_BLOCK_OFFSET;
  return call->limited && own_mapping ? LEAKBPF_WEIGHT_ONE : call->weight;
}

/* A stack walk for each of Python's new pools is too much where windows are needed. The others are
 * known by their place alone. */
static __always_inline __u32 pool_weight(const struct leakbpf_window* window) {
  if (window->number && window->scale == 1)
    return LEAKBPF_WEIGHT_ONE;
  if (bpf_get_prandom_u32() % LEAKBPF_POOL_SCALE)
    return 0;
  return LEAKBPF_POOL_SCALE * LEAKBPF_WEIGHT_ONE * (window->number ? window->pool_scale : 1);
}

static __always_inline void block_allocated(struct pt_regs* regs, struct task_state* state,
                                            __u64 address) {
  struct call* call = &state->call;
  __u64 begin = bpf_ktime_get_ns();
  struct leakbpf_block_key place = heap_block(address, call->target);
  if (is_python_pool(call->cookie)) {
    python_heap_seen(call);
    place.address &= ~(call->size - 1);
    place.kind = LEAKBPF_KIND_PYTHON;
  }
  struct leakbpf_site_key key = {.target = call->target, .kind = place.kind};
  struct leakbpf_site_totals* totals = 0;
  if (call->weight) { /* else it is a pool, whose place is all that matters */
    key.stack_hash = stack_at_return(regs, state);
    totals = site_of(&key, state);
    if (unlikely(!totals))
      return;
  }
  struct leakbpf_block block = {.size = call->size,
                                .stack_hash = key.stack_hash,
                                .time_ns = bpf_ktime_get_ns(),
                                .weight = block_weight(call, address),
                                .window = call->window};
  if (likely(block_put(&place, &block)) && totals)
    site_add_allocated(totals, &block);
  if (place.kind == LEAKBPF_KIND_PYTHON)
    count_standing_work(call->target, LEAKBPF_STANDING_POOLS, begin, block.time_ns);
  else
    count_work(call->target, begin, block.time_ns);
}

/* The weight of a heap block to come, 0 when it is not followed. */
static __always_inline __u32 weight_of(const struct leakbpf_window* window, __u64 size) {
  if (!window->number || size < config_min_size || size > config_max_size)
    return 0;
  return sample_weight(window, size);
}

/* Begins to follow the call at hand, of a block to come. NULL when it is in another call. */
static __always_inline struct task_state* heap_call_begin(struct pt_regs* regs,
                                                          const struct leakbpf_target* target,
                                                          const struct leakbpf_window* window,
                                                          __u64 cookie, __u64 size, __u32 weight) {
  struct task_state* state = call_begin(regs, target, window, cookie);
  if (!state) {
    count_nested(target->id);
    return 0;
  }
  state->call.size = size;
  state->call.weight = weight;
  return state;
}

/* Entries return 1 when the call's return need not be seen. A function that may call another one is
 * followed in any case, so that the block's fate is decided once. */
static __always_inline int allocate_entry(struct pt_regs* regs) {
  __u64 cookie = bpf_get_attach_cookie(regs);
  struct leakbpf_target* target = probed_target(cookie);
  if (!target)
    return 1;
  bool pool = is_python_pool(cookie);
  if (pool)
    count_standing_hit(target->id, LEAKBPF_STANDING_POOLS);
  else
    count_call(target->id, 1, 0);
  struct leakbpf_window* window = window_of(target);
  if (unlikely(!window))
    return 1;
  struct arguments args = read_arguments(regs);
  __u64 size = pool ? 1ULL << LEAKBPF_COOKIE_SIZE_ARG(cookie) : requested_size(&args, cookie);
  __u32 weight = pool ? pool_weight(window) : weight_of(window, size);
  if (!weight && !pool && !window->layered && !(cookie & LEAKBPF_COOKIE_NESTS))
    return 1;
  struct task_state* state = heap_call_begin(regs, target, window, cookie, size, weight);
  if (!state)
    return 1;
  state->call.pointer = args.first; /* where posix_memalign stores its result */
  return 0;
}

static __always_inline int allocate_return(struct pt_regs* regs) {
  struct task_state* state = call_end(regs);
  if (!state)
    return 0;
  bool pool = is_python_pool(state->call.cookie);
  if (pool)
    count_standing_hit(state->call.target, LEAKBPF_STANDING_POOLS);
  else
    count_hit(state->call.target);
  __u64 address = result(regs);
  if (!state->call.weight && !pool)
    return 0;
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

/* The window's number is 0 when none is open: no block has that. */
static __always_inline __u32 window_number(const struct leakbpf_target* target) {
  struct leakbpf_window* window = window_of(target);
  return window ? window->number : 0;
}

static __always_inline int free_entry(struct pt_regs* regs) {
  struct leakbpf_target* target = probed_target(bpf_get_attach_cookie(regs));
  struct leakbpf_block block;
  if (!target || !regs->di)
    return 0;
  count_call(target->id, 0, 1);
  struct leakbpf_block_key place = heap_block(regs->di, target->id);
  if (block_take(&place, &block))
    block_freed(&block, target->id, LEAKBPF_KIND_HEAP, window_number(target));
  return 0;
}

static __always_inline int reallocate_entry(struct pt_regs* regs) {
  __u64 cookie = bpf_get_attach_cookie(regs);
  struct leakbpf_target* target = probed_target(cookie);
  if (!target)
    return 1;
  struct arguments args = read_arguments(regs);
  __u64 pointer = argument(&args, LEAKBPF_COOKIE_POINTER_ARG(cookie));
  struct leakbpf_block_key place = heap_block(pointer, target->id);
  if (!pointer && (cookie & LEAKBPF_COOKIE_NULL_ALLOCATES)) {
    count_hit(target->id);
    return 1; /* it calls malloc */
  }
  count_call(target->id, !pointer, 0);
  struct leakbpf_window* window = window_of(target);
  if (unlikely(!window))
    return 1;
  __u64 size = requested_size(&args, cookie);
  __u32 weight = weight_of(window, size);
  bool held = pointer && bpf_map_lookup_elem(&live, &place);
  if (!weight && !held && !window->layered && !(cookie & LEAKBPF_COOKIE_NESTS))
    return 1;
  struct task_state* state = heap_call_begin(regs, target, window, cookie, size, weight);
  if (!state)
    return 1;
  state->call.pointer = pointer;
  if (held)
    state->call.holds_block = block_take(&place, &state->call.block);
  return 0;
}

static __always_inline int reallocate_return(struct pt_regs* regs) {
  struct task_state* state = call_end(regs);
  if (!state)
    return 0;
  struct call* call = &state->call;
  count_hit(call->target);
  __u64 address = result(regs);
  /* NULL for a size of 0 means freed (glibc, tcmalloc); for any other size it means failed. */
  if (call->holds_block) {
    struct leakbpf_block_key place = heap_block(call->pointer, call->target);
    if (address || !call->size)
      block_freed(&call->block, call->target, LEAKBPF_KIND_HEAP, call->window);
    else
      block_put(&place, &call->block);
  }
  if (address && call->weight)
    block_allocated(regs, state, address);
  return 0;
}
