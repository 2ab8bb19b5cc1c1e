/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The table of call stacks. */
#pragma once

#include "events.bpf.h"
#include "unwind/walk.bpf.h"

/* Bytes of stack that are copied at once for user space. */
#define COPY_STEP 1024

/* Keeps the walked stack in the table; a stack that is there already is left alone. Returns its
 * hash, or 0 when it could not be kept. */
static NO_INLINE __u64 stack_record(struct task_state* state, __u64 hash) {
  if (!state)
    return 0;
  struct leakbpf_stack* stack = &state->stack;
  int error = -ERROR_EXISTS;
  /* User space takes stacks out meanwhile, and the memory of one is soon another's: only one that
   * is found again and again is a collision. */
  for (int tries = 0; tries < 3 && error == -ERROR_EXISTS; tries++) {
    error = (int)bpf_map_update_elem(&stacks, &hash, stack, BPF_NOEXIST);
    struct leakbpf_stack* kept = error == -ERROR_EXISTS ? bpf_map_lookup_elem(&stacks, &hash) : 0;
    if (kept && kept->check == stack->check && kept->depth == stack->depth)
      return hash;
  }
  if (error == -ERROR_EXISTS) {
    count_loss(LEAKBPF_LOSS_STACK_COLLISIONS);
    return hash;
  }
  if (error) {
    count_loss(LEAKBPF_LOSS_STACK_TABLE_FULL);
    return 0;
  }
  if (stack->end == LEAKBPF_STACK_TRUNCATED)
    count_loss(LEAKBPF_LOSS_UNWIND_TRUNCATED);
  else if (stack->end != LEAKBPF_STACK_COMPLETE && stack->end != LEAKBPF_STACK_ZERO_FRAME)
    count_loss(LEAKBPF_LOSS_UNWIND_FAILED);
  emit_new_stack(hash, state->walk.target, state->walk.space);
  return hash;
}

/* Copies the stack from the frame on that the walk could not leave, up to the end of what can be
 * read: the last step may end before the others do, with its page. */
static NO_INLINE __u64 copy_stack(struct leakbpf_unwind_request* request) {
  if (!request)
    return 0;
  __u64 copied = 0;
  for (__u32 i = 0; i < LEAKBPF_STACK_COPY_BYTES / COPY_STEP; i++) {
    __u64 address = request->frame.sp + i * COPY_STEP;
    if (!bpf_probe_read_user(request->memory + i * COPY_STEP, COPY_STEP, (void*)address)) {
      copied += COPY_STEP;
      continue;
    }
    __u32 left = (__u32)(PAGE_BYTES - (address & (PAGE_BYTES - 1)));
    barrier_var(left);
    if (left < COPY_STEP &&
        !bpf_probe_read_user(request->memory + i * COPY_STEP, left, (void*)address))
      copied += left;
    break;
  }
  return copied;
}

/* The name of a walk that user space is to finish. One that stopped at memory which cannot be read
 * is the same as any other of the same frames at the same place of the same thread in the same
 * second or so: who calls these is older than the page's absence. */
static __always_inline __u64 unfinished_hash(const struct task_state* state, __u64 hash,
                                             __u64 pid_tgid, __u64 now) {
  __u64 moment = now;
  if (state->stack.end == LEAKBPF_STACK_UNREAD)
    moment = unwind_hash(state->walk.frame.sp, now >> 30);
  return unwind_hash(unwind_hash(hash, moment), pid_tgid) | 1;
}

/* Asks user space to finish the walk, which it can from the rest of the stack as it is now, and
 * keeps what there is under a name of its own until then. 0: there is no room for that. */
static NO_INLINE __u64 request_finish(struct task_state* state, __u64 hash) {
  if (!state)
    return 0;
  __u64 now = bpf_ktime_get_ns();
  __u64 pid_tgid = bpf_get_current_pid_tgid();
  __u64 own_hash = unfinished_hash(state, hash, pid_tgid, now);
  if (state->stack.end == LEAKBPF_STACK_UNREAD && bpf_map_lookup_elem(&stacks, &own_hash))
    return own_hash;
  struct leakbpf_unwind_request* request =
      bpf_ringbuf_reserve(&unwind_requests, sizeof(*request), 0);
  if (!request)
    return 0;
  if (bpf_map_update_elem(&stacks, &own_hash, &state->stack, BPF_NOEXIST)) {
    bpf_ringbuf_discard(request, 0);
    return 0;
  }
  request->target = state->walk.target;
  request->tgid = pid_tgid >> 32;
  request->space = state->walk.space;
  request->reserved = 0;
  request->stack_hash = own_hash;
  request->walk_hash = hash;
  request->time_ns = now;
  request->code = state->walk.code;
  request->frame = state->walk.frame;
  request->python_slots = python_rest(state);
  bpf_probe_read_kernel(request->python, sizeof(request->python), state->stack.pc);
  request->copied = copy_stack(request);
  bpf_ringbuf_submit(request, 0);
  return own_hash;
}

/* The walk came to a file whose table user space has not built yet, or could not ask which file it
 * is. Without room for a request the stack stays incomplete, under `hash`. */
static NO_INLINE __u64 stack_finish_later(struct task_state* state, __u64 hash) {
  if (!state || unwind_requests_refused)
    return hash;
  __u64 own_hash = request_finish(state, hash);
  return own_hash ? own_hash : hash;
}

/* The walk came to a page that is not there: never touched since a fork, swapped out, or reclaimed.
 * A program at a probe must not wait for it, user space can. */
static NO_INLINE __u64 stack_read_later(struct task_state* state, __u64 hash) {
  if (!state)
    return hash;
  __u64* until = bpf_map_lookup_elem(&unreadable_walks, &hash);
  if (until && bpf_ktime_get_ns() < *until)
    return hash;
  state->stack.end = LEAKBPF_STACK_UNREAD;
  __u64 own_hash = request_finish(state, hash);
  if (own_hash)
    return own_hash;
  state->stack.end = LEAKBPF_STACK_UNREADABLE;
  return hash;
}

/* Walks the stack that walk_begin was told of, into state->stack. Returns its hash, never 0. */
static __always_inline __u64 stack_walk(struct task_state* state) {
  __u64 hash = walk_frames(state);
  __u32 end = state->stack.end;
  if (unlikely(end == LEAKBPF_STACK_NO_TABLE || end == LEAKBPF_STACK_MAPPINGS_BUSY))
    return stack_finish_later(state, hash);
  if (unlikely(end == LEAKBPF_STACK_UNREADABLE))
    return stack_read_later(state, hash);
  return hash;
}

/* At the return probe at hand. */
static __always_inline __u64 stack_at_return(const struct pt_regs* regs, struct task_state* state) {
  walk_begin(&state->walk, regs, state->call.target, state->call.space, true);
  return stack_walk(state);
}
