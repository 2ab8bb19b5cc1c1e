/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the walker knows of a CPython interpreter: where its frames are, and how they look.
 *
 * The frames of running Python code are a list that begins at the thread's state. One run of the
 * interpreter's evaluation function in the native stack stands for one or more of them; where they
 * end is told in another way by each version. */
#ifndef LEAKBPF_PYTHON_ABI_H
#define LEAKBPF_PYTHON_ABI_H

#include <leakbpf/stack_hash.h>

#include <linux/types.h>

/* Which of the Python frames belong to one run of the evaluation function. */
enum leakbpf_python_boundary {
  LEAKBPF_PYTHON_EVERY_FRAME = 0, /* up to 3.10: each frame has a run of its own */
  LEAKBPF_PYTHON_ENTRY_FRAME = 1, /* 3.11: the outermost one is marked */
  LEAKBPF_PYTHON_SHIM_FRAME = 2,  /* from 3.12: behind the outermost stands one without code */
};

#define LEAKBPF_PYTHON_NO_OFFSET 0xffff
/* Most words of a code object that go into its checksum. */
#define LEAKBPF_PYTHON_CHECK_WORDS 12

/* Value of `pythons`, keyed by target id. Offsets are in bytes; those of pointers are multiples of
 * eight. */
struct leakbpf_python {
  /* Up to 3.11: address of the pointer to the state of the thread that holds the interpreter's
   * lock. With several interpreters that is the one whose code runs, and a thread has one in each.
   * 0: the thread's own way to its state leads to the right one. */
  __u64 current_state;
  /* The thread's state: *(thread pointer + thread_first), or, when thread_second is not
   * LEAKBPF_PYTHON_NO_OFFSET, *(*(thread pointer + thread_first) + thread_second). */
  __u32 thread_first;
  __u32 thread_second;
  __u16 state_thread;      /* in it: the thread pointer of its thread, */
  __u16 state_frame;       /* its innermost frame, ... */
  __u16 indirect_frame;    /* ... or what holds it at this offset (3.11, 3.12: _PyCFrame) */
  __u16 frame_previous;    /* in a frame: its caller's, */
  __u16 frame_code;        /* its code object, */
  __u16 frame_instruction; /* its instruction: a pointer, or, see below, an index, */
  __u16 frame_boundary;    /* the byte that tells where a run of the evaluation function ends */
  __u8 boundary;           /* enum leakbpf_python_boundary */
  __u8 boundary_value;     /* of that byte: this much or more */
  __u8 code_mask;          /* bits of a code object's address that are tags */
  __u8 instruction_is_index;
  /* In a code object: */
  __u16 check_from;  /* the first word of the checksum; these never change later */
  __u16 check_words; /* how many */
  __u16 code_filename;
  __u16 code_name; /* the qualified one where there is one */
  __u16 code_line_table;
  __u16 deaths_told; /* a flag: each death of a code object that a stack had is counted */
  __u16 reserved;    /* zero */
};

/* Value of `codes`: what is known of code objects whose addresses have this hash. So many that few
 * of a program's thousands share one. */
#define LEAKBPF_CODES_BITS 14
struct leakbpf_code {
  __u32 deaths; /* part of the checksum: the next one may be made of the very same pieces */
  __u32 seen;   /* a stack had one of them since one died */
  __u64 check;  /* the checksum of one, and in the upper half of the word whose it is */
};

/* The place in `codes` of a code object at this address of this target. */
static inline __attribute__((always_inline)) __u32 code_index(__u32 target, __u64 code) {
  return (__u32)(unwind_hash(target, code) >> (64 - LEAKBPF_CODES_BITS));
}

/* A Python frame takes two slots of a stack: this bit with the address of the code object, and the
 * checksum in the upper half of a word with the instruction in the lower: its byte offset from the
 * code object, or up to 3.10 the frame's f_lasti. */
#define LEAKBPF_PC_PYTHON (1ULL << 62)
#define LEAKBPF_PYTHON_FRAME(check, instruction)                                                   \
  (((__u64)(__u32)(check) << 32) | (__u64)(__u32)(instruction))
#define LEAKBPF_PYTHON_FRAME_CHECK(slot) ((__u32)((slot) >> 32))
#define LEAKBPF_PYTHON_FRAME_INSTRUCTION(slot) ((__u32)(slot))

#ifdef __cplusplus
static_assert(sizeof(leakbpf_python) == 48 && sizeof(leakbpf_code) == 16, "abi");
#else
_Static_assert(sizeof(struct leakbpf_python) == 48 && sizeof(struct leakbpf_code) == 16, "abi");
#endif

#endif
