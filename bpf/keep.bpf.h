/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Adds frames to the stack that is being walked, and to its hashes. */
#pragma once

#include "call.bpf.h"
#include "config.bpf.h"

#include <leakbpf/stack_hash.h>

static __always_inline bool stack_slot(struct task_state* state, __u64 value) {
  __u32 at = state->stack.depth;
  barrier_var(at);
  if (at >= LEAKBPF_STACK_SLOTS)
    return false;
  state->stack.pc[at] = value;
  state->stack.depth = at + 1;
  state->walk.hash = unwind_hash(state->walk.hash, value);
  state->walk.check = unwind_check(state->walk.check, value);
  return true;
}

/* False when there is no room. */
static __always_inline bool stack_keep(struct task_state* state, __u64 pc) {
  state->walk.frames++;
  return stack_slot(state, pc);
}

static __always_inline bool stack_keep_python(struct task_state* state, __u64 code, __u64 place) {
  if (state->stack.depth + 2 > LEAKBPF_STACK_SLOTS || state->walk.frames >= config_max_frames)
    return false;
  state->walk.frames++;
  return stack_slot(state, code | LEAKBPF_PC_PYTHON) && stack_slot(state, place);
}
