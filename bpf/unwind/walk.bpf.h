/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The stack walker: from a probe's registers to the frames of the thread. */
#pragma once

#include "../call.bpf.h"
#include "../config.bpf.h"
#include "rules.bpf.h"

/* One frame on. What it cannot do ends the walk. */
VERIFIED_ONCE __u32 walk_step(struct walk* walk) {
  if (!walk)
    return LEAKBPF_STACK_UNREADABLE;
  __u64 pc = walk->frame.pc - walk->frame.pc_is_return;
  __u32 index = rule_at(walk, pc);
  struct leakbpf_unwind_rule* rule = bpf_map_lookup_elem(&unwind_rules, &index);
  if (!rule)
    return walk->end;
  return unwind_step(walk, rule, &walk->frame);
}

/* Begins at a probe; `pc_is_return`: at a return probe, whose pc is a return address. */
static __always_inline void walk_begin(struct walk* walk, const struct pt_regs* regs, __u32 space,
                                       bool pc_is_return) {
  walk->frame.pc = regs->ip;
  walk->frame.sp = regs->sp;
  walk->frame.fp = regs->bp;
  walk->frame.saved_registers = 0;
  walk->frame.pc_is_return = pc_is_return;
  walk->frame.innermost = 1;
  walk->trampoline = return_trampoline();
  walk->window_bytes = 0;
  walk->window_next = WINDOW_FIRST_BYTES;
  walk->space = space;
  walk->code.file.inode = 0;
}

/* Walks to the thread's first function. Returns the hash of the stack, never 0. The same addresses
 * are another stack when other files may be mapped there. */
VERIFIED_ONCE __u64 walk_frames(struct task_state* state) {
  if (!state)
    return 1;
  struct walk* walk = &state->walk;
  struct leakbpf_stack* stack = &state->stack;
  __u64 pc = unwind_stored_pc(&walk->frame);
  __u64 hash = unwind_hash(walk->space, pc), hash_before = hash;
  __u64 check = unwind_check(0, pc), check_before = check;
  __u32 depth = 1;
  stack->pc[0] = pc;
  stack->end = LEAKBPF_STACK_TRUNCATED;
  for (__u32 i = 1; i < LEAKBPF_MAX_FRAMES; i++) {
    __u32 result = walk_step(walk);
    if (result == LEAKBPF_STACK_GOES_ON) {
      result = unwind_check_pc(walk->frame.pc);
    } else if (result == LEAKBPF_STACK_NOT_CODE && depth > 1) {
      depth--; /* what was taken for a frame is none */
      hash = hash_before;
      check = check_before;
    }
    if (result != LEAKBPF_STACK_GOES_ON) {
      stack->end = result;
      break;
    }
    if (i >= config_max_frames)
      break;
    pc = unwind_stored_pc(&walk->frame);
    stack->pc[i] = pc;
    hash_before = hash;
    check_before = check;
    hash = unwind_hash(hash, pc);
    check = unwind_check(check, pc);
    depth++;
  }
  stack->depth = depth;
  stack->check = check;
  if (stack->end != LEAKBPF_STACK_COMPLETE)
    hash = unwind_hash(hash, stack->end);
  return hash ? hash : 1;
}
