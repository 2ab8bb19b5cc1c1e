/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The allocator call that a thread is in. Only the outermost one is followed: what an allocator
 * does to serve it (malloc -> mmap) is the same memory. Where the outermost is not followed, user
 * space tells by the stack that a mapping serves the heap.
 *
 * State is per task, not per CPU: uprobe programs can be preempted by another thread's hit. It
 * repairs itself when a return is never seen (longjmp, the kernel's limit of pending returns). */
#pragma once

#include "sample.bpf.h"
#include "target.bpf.h"
#include "unwind/probes.bpf.h"

struct call {
  __u64 stack_pointer; /* at entry, where the return address lies; 0: in no call */
  __u64 size;
  __u64 pointer; /* the block or range that the call was given */
  __u64 cookie;
  __u32 target;
  __u32 space;       /* of the target */
  __u32 holds_block; /* realloc: block was taken out of the live table */
  __u32 weight;      /* of the block to come; 0: it is not followed */
  __u32 window;      /* in which the call began */
  __u8 limited;      /* that window stands for more than its length */
  __u8 maps_memory;  /* the allocator mapped memory in this call */
  __u16 reserved;
  struct leakbpf_block block;
};

struct task_state {
  struct call call;
  __u64 collecting_since;     /* Python's garbage collector runs; 0: it does not */
  struct walk walk;           /* scratch for the walker */
  struct leakbpf_stack stack; /* what it found */
};

struct {
  __uint(type, BPF_MAP_TYPE_TASK_STORAGE);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __type(key, int);
  __type(value, struct task_state);
} task_states SEC(".maps");

static __always_inline struct task_state* task_state(void) {
  return bpf_task_storage_get(&task_states, bpf_get_current_task_btf(), 0, 0);
}

/* The same, made when it is not there; NULL, counted, when there is no memory for it. */
static __always_inline struct task_state* task_state_made(void) {
  struct task_state* state = bpf_task_storage_get(&task_states, bpf_get_current_task_btf(), 0,
                                                  BPF_LOCAL_STORAGE_GET_F_CREATE);
  if (unlikely(!state))
    count_loss(LEAKBPF_LOSS_NO_TASK_STATE);
  return state;
}

/* True when the call that `call` tells of has not returned: its frame lies below the new call's
 * (or is shared with it, by a tail call), and its hijacked return address is still there. */
static NO_INLINE bool call_is_pending(const struct call* call, __u64 stack_pointer) {
  __u64 return_address = 0;
  if (!call || stack_pointer > call->stack_pointer)
    return false;
  if (bpf_probe_read_user(&return_address, sizeof(return_address), (void*)call->stack_pointer))
    return false;
  return return_address == return_trampoline();
}

/* The probe on pools may be taken out while no window is open. */
static __always_inline bool comes_and_goes(__u64 cookie) {
  return config_windows && LEAKBPF_COOKIE_OPERATION(cookie) == LEAKBPF_OP_PYTHON_POOL;
}

/* Begins to follow the call at hand. NULL when it belongs to a call that is followed already, or
 * cannot be followed. */
static __always_inline struct task_state* call_begin(const struct pt_regs* regs,
                                                     const struct leakbpf_target* target,
                                                     const struct leakbpf_window* window,
                                                     __u64 cookie) {
  struct task_state* state = task_state_made();
  if (unlikely(!state))
    return 0;
  if (unlikely(state->call.stack_pointer)) {
    if (call_is_pending(&state->call, regs->sp))
      return 0;
    if (state->call.window == window->number && !comes_and_goes(state->call.cookie))
      count_loss(LEAKBPF_LOSS_MISSED_RETURNS); /* else the probe was taken out meanwhile */
  }
  state->call.stack_pointer = regs->sp;
  state->call.target = target->id;
  state->call.space = target->space;
  state->call.cookie = cookie;
  state->call.holds_block = 0;
  state->call.window = window->number;
  state->call.limited = window->scale > 1;
  state->call.maps_memory = 0;
  return state;
}

/* The state of the call that returns here, or NULL when that call is not the followed one. */
static __always_inline struct task_state* call_end(const struct pt_regs* regs) {
  struct task_state* state = task_state();
  if (!state || state->call.stack_pointer + sizeof(__u64) != regs->sp)
    return 0;
  state->call.stack_pointer = 0;
  return state;
}
