/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a stack walk in progress knows; one for each thread, because programs can be preempted. */
#pragma once

#include "../counters.bpf.h"

/* A copied block of the stack. A copy costs little more than that of one word, so blocks grow with
 * the depth of the walk; most stacks are shallow. */
#define WINDOW_FIRST_BYTES 256U
#define WINDOW_WORDS 128
#define WINDOW_BYTES (WINDOW_WORDS * 8ULL)

struct walk {
  struct leakbpf_frame frame;
  __u64 trampoline;   /* where pending return probes make their functions return to; 0: none */
  __u64 window_start; /* address of window[0] */
  __u64 window_bytes; /* of it that are valid */
  __u32 window_next;  /* bytes to copy the next time */
  __u32 reserved;
  __u32 space;                     /* of the target: which mappings the rule cache is asked for */
  __u32 end;                       /* enum leakbpf_stack_end, when a step failed */
  struct leakbpf_mapped_code code; /* whose table is missing, at LEAKBPF_STACK_NO_TABLE */
  __u64 window[WINDOW_WORDS];
};

#define UNWIND_CONTEXT struct walk
