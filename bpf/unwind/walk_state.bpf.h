/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a stack walk in progress knows; one for each thread, because programs can be preempted. */
#pragma once

#include "../counters.bpf.h"

#include <leakbpf/python_abi.h>

/* A copied block of the target's memory. A copy costs little more than that of one word, so blocks
 * grow with the depth of the walk; most stacks are shallow. */
#define WINDOW_FIRST_BYTES 256U
#define WINDOW_WORDS 128
#define WINDOW_BYTES (WINDOW_WORDS * 8ULL)

struct window {
  __u64 start; /* address of words[0] */
  __u64 bytes; /* of it that are valid */
  __u64 next;  /* bytes to copy the next time */
  __u64 words[WINDOW_WORDS];
};

/* The Python frames of the thread, from where the walk stands. */
struct python_walk {
  __u64 frame; /* address of the next; 0: there is none, or none that is understood */
  __u64 state; /* of the thread, whose frames these are */
  __u32 begun; /* it was looked for */
  struct leakbpf_python layout;
  __u64 code_words[LEAKBPF_PYTHON_CHECK_WORDS];
  struct window window;
};

struct walk {
  struct leakbpf_frame frame;
  __u64 trampoline; /* where pending return probes make their functions return to; 0: none */
  __u64 hash;       /* of the frames so far */
  __u64 check;      /* the second hash */
  __u32 frames;     /* so far: Python's and native ones */
  __u32 target;
  __u32 space;                     /* of the target: which mappings the rule cache is asked for */
  __u32 end;                       /* enum leakbpf_stack_end, when a step failed */
  struct leakbpf_mapped_code code; /* whose table is missing, at LEAKBPF_STACK_NO_TABLE */
  struct window window;            /* of the stack */
  struct python_walk python;
};

#define UNWIND_CONTEXT struct walk
