/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The stack walker: fills task_state.stack from the registers of a return probe.
 *
 * It follows frame pointers; the direct caller comes from the return itself. Code built without
 * frame pointers ends the walk early, which is counted and shown. */
#pragma once

#include "call.bpf.h"
#include "config.bpf.h"

/* No single frame is larger than this. */
#define WALK_MAX_FRAME_BYTES (1ULL << 20)
#define WALK_MIN_PC 4096ULL
#define WALK_MAX_PC (1ULL << 47)

struct frame_record {
  __u64 frame_pointer;
  __u64 return_address;
};

static __always_inline __u64 hash_step(__u64 hash, __u64 value) {
  hash ^= value;
  hash *= 0x9e3779b97f4a7c15ULL; /* 2^64 / golden ratio: Knuth's multiplicative hashing */
  return hash ^ (hash >> 29);
}

/* Returns the hash of the stack, never 0. */
static NO_INLINE __u64 walk_stack(struct pt_regs* regs, struct leakbpf_stack* stack) {
  if (!stack)
    return 1;
  __u64 frame_pointer = regs->bp;
  __u64 lowest = regs->sp;
  __u64 hash = hash_step(0, regs->ip);
  __u64 check = regs->ip;
  __u32 depth = 1;
  stack->pc[0] = regs->ip;
  stack->end = LEAKBPF_STACK_TRUNCATED;
  for (__u32 i = 1; i < LEAKBPF_MAX_FRAMES; i++) {
    struct frame_record record;
    if (i >= config_max_frames)
      break;
    if (!frame_pointer) {
      stack->end = LEAKBPF_STACK_COMPLETE;
      break;
    }
    stack->end = LEAKBPF_STACK_BROKEN;
    if ((frame_pointer & 7) || frame_pointer < lowest ||
        frame_pointer - lowest > WALK_MAX_FRAME_BYTES ||
        bpf_probe_read_user(&record, sizeof(record), (void*)frame_pointer))
      break;
    if (record.return_address < WALK_MIN_PC || record.return_address >= WALK_MAX_PC) {
      if (!record.return_address)
        stack->end = LEAKBPF_STACK_COMPLETE;
      break;
    }
    stack->end = LEAKBPF_STACK_TRUNCATED;
    stack->pc[i] = record.return_address;
    hash = hash_step(hash, record.return_address);
    check = check * 31 + record.return_address;
    lowest = frame_pointer + sizeof(record);
    frame_pointer = record.frame_pointer;
    depth++;
  }
  stack->depth = depth;
  stack->check = check;
  return hash ? hash : 1;
}
