/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The stack walker: from a probe's registers to the frames of the thread. */
#pragma once

#include "../call.bpf.h"
#include "../config.bpf.h"
#include "../python/frames.bpf.h"
#include "rules.bpf.h"

/* Keeps the frame that the walk stands at, and steps to its caller's. What it cannot do ends the
 * walk. */
VERIFIED_ONCE __u32 walk_step(struct task_state* state) {
  if (!state)
    return LEAKBPF_STACK_UNREADABLE;
  struct walk* walk = &state->walk;
  if (walk->frames >= config_max_frames)
    return LEAKBPF_STACK_TRUNCATED;
  __u32 index = rule_at(walk, walk->frame.pc - walk->frame.pc_is_return);
  struct leakbpf_unwind_rule* rule = bpf_map_lookup_elem(&unwind_rules, &index);
  if (unlikely(!rule)) {
    if (walk->end != LEAKBPF_STACK_NOT_CODE || !walk->frames) /* else it is no frame at all */
      stack_keep(state, unwind_stored_pc(&walk->frame));
    return walk->end;
  }
  __u32 python = 0;
  if (rule->interpreter == LEAKBPF_INTERPRETER_PYTHON)
    python = python_frames(state);
  if (!python && !stack_keep(state, unwind_stored_pc(&walk->frame)))
    return LEAKBPF_STACK_TRUNCATED;
  __u32 result = unwind_step(walk, rule, &walk->frame);
  return result == LEAKBPF_STACK_GOES_ON ? unwind_check_pc(walk->frame.pc) : result;
}

/* Begins where the thread's user code was left; `pc_is_return`: at a return probe, whose pc is a
 * return address. */
static __always_inline void walk_begin(struct walk* walk, const struct pt_regs* regs, __u32 target,
                                       __u32 space, bool pc_is_return) {
  walk->frame.pc = regs->ip;
  walk->frame.sp = regs->sp;
  walk->frame.fp = regs->bp;
  walk->frame.saved_registers = 0;
  walk->frame.pc_is_return = pc_is_return;
  walk->frame.innermost = 1;
  walk->trampoline = return_trampoline();
  walk->window.bytes = 0;
  walk->window.next = WINDOW_FIRST_BYTES;
  walk->target = target;
  walk->space = space;
  walk->code.file.inode = 0;
  walk->python.begun = 0;
  /* The same addresses are another stack when other files may be mapped there. Folded in first: the
   * numbers of two spaces often differ in the same few bits as two calls in one function. */
  walk->hash = unwind_hash(0, space);
  walk->check = 0;
  walk->frames = 0;
}

/* Walks to the thread's first function. Returns the hash of the stack, never 0. */
VERIFIED_ONCE __u64 walk_frames(struct task_state* state) {
  if (!state)
    return 1;
  __u32 result = LEAKBPF_STACK_TRUNCATED;
  state->stack.depth = 0;
  for (__u32 i = 0; i <= LEAKBPF_MAX_FRAMES; i++) {
    result = walk_step(state);
    if (result != LEAKBPF_STACK_GOES_ON)
      break;
  }
  state->stack.end = result;
  state->stack.space = state->walk.space;
  state->stack.check = state->walk.check;
  __u64 hash = state->walk.hash;
  if (result != LEAKBPF_STACK_COMPLETE)
    hash = unwind_hash(hash, result);
  return hash ? hash : 1;
}
