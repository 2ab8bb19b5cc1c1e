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
  else if (stack->end != LEAKBPF_STACK_COMPLETE)
    count_loss(LEAKBPF_LOSS_UNWIND_FAILED);
  emit_new_stack(hash, state->walk.target, state->walk.space);
  return hash;
}

/* Copies the stack from the frame on that the walk could not leave. */
static NO_INLINE __u64 copy_stack(struct leakbpf_unwind_request* request) {
  if (!request)
    return 0;
  __u64 copied = 0;
  for (__u32 i = 0; i < LEAKBPF_STACK_COPY_BYTES / COPY_STEP; i++) {
    if (bpf_probe_read_user(request->memory + i * COPY_STEP, COPY_STEP,
                            (void*)(request->frame.sp + i * COPY_STEP)))
      break;
    copied += COPY_STEP;
  }
  return copied;
}

/* The walk came to a file whose table user space has not built yet, or could not ask which file it
 * is. User space gets the rest of the stack as it is now, to finish the walk itself; until then the
 * stack has a hash of its own.
 * Without room for that the stack stays incomplete, under `hash`. */
static NO_INLINE __u64 stack_finish_later(struct task_state* state, __u64 hash) {
  if (!state || unwind_requests_refused)
    return hash;
  struct leakbpf_unwind_request* request =
      bpf_ringbuf_reserve(&unwind_requests, sizeof(*request), 0);
  if (!request)
    return hash;
  __u64 pid_tgid = bpf_get_current_pid_tgid();
  __u64 own_hash = unwind_hash(unwind_hash(hash, bpf_ktime_get_ns()), pid_tgid) | 1;
  if (bpf_map_update_elem(&stacks, &own_hash, &state->stack, BPF_NOEXIST)) {
    bpf_ringbuf_discard(request, 0);
    return hash;
  }
  request->target = state->walk.target;
  request->tgid = pid_tgid >> 32;
  request->space = state->walk.space;
  request->reserved = 0;
  request->stack_hash = own_hash;
  request->code = state->walk.code;
  request->frame = state->walk.frame;
  request->python_slots = python_rest(state, request->python);
  request->copied = copy_stack(request);
  bpf_ringbuf_submit(request, 0);
  return own_hash;
}

/* Walks the stack that walk_begin was told of, into state->stack. Returns its hash, never 0. */
static __always_inline __u64 stack_walk(struct task_state* state) {
  __u64 hash = walk_frames(state);
  __u32 end = state->stack.end;
  if (unlikely(end == LEAKBPF_STACK_NO_TABLE || end == LEAKBPF_STACK_MAPPINGS_BUSY))
    return stack_finish_later(state, hash);
  return hash;
}

/* At the return probe at hand. */
static __always_inline __u64 stack_at_return(const struct pt_regs* regs, struct task_state* state) {
  walk_begin(&state->walk, regs, state->call.target, state->call.space, true);
  return stack_walk(state);
}
