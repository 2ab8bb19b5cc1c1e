/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Python frames in a native stack. Where the walk comes to a run of CPython's evaluation function,
 * the frames that this run stands for take its place. They lie close together, callers below, so
 * they are read in blocks. */
#pragma once

#include "../call.bpf.h"
#include "../keep.bpf.h"
#include "../unwind/window.bpf.h"

#define PYTHON_FRAME_BYTES 112ULL
/* Of this much the frames before the one at hand are likely to be had too. */
#define PYTHON_BLOCK_BYTES 1024ULL

/* By target id. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 8192);
  __type(key, __u32);
  __type(value, struct leakbpf_python);
} pythons SEC(".maps");

/* By target id: the address that the first new pool's function was given. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 8192);
  __type(key, __u32);
  __type(value, __u64);
} python_heaps SEC(".maps");

/* By code_index. In one place, since each Python frame of each stack needs all of it. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1 << LEAKBPF_CODES_BITS);
  __type(key, __u32);
  __type(value, struct leakbpf_code);
} codes SEC(".maps");

/* Never NULL: that is for the verifier. */
static __always_inline struct leakbpf_code* code_of(__u32 target, __u64 code) {
  __u32 index = code_index(target, code);
  return bpf_map_lookup_elem(&codes, &index);
}

static __always_inline bool python_read(__u64 address, __u64* value) {
  return !bpf_probe_read_user(value, sizeof(*value), (void*)address);
}

/* The state that the thread finds for itself, whether it holds the interpreter's lock or not. 0: it
 * has none. */
static __always_inline __u64 python_own_state(const struct leakbpf_python* layout, __u64 thread) {
  __u64 state = 0;
  if (!python_read(thread + layout->thread_first, &state))
    return 0;
  if (layout->thread_second != LEAKBPF_PYTHON_NO_OFFSET &&
      (!state || !python_read(state + layout->thread_second, &state)))
    return 0;
  return state;
}

/* The state that holds the lock, if it is this thread's; else 0. */
static __always_inline __u64 python_current_state(const struct leakbpf_python* layout,
                                                  __u64 thread) {
  __u64 state = 0, owner = 0;
  if (!layout->current_state || !python_read(layout->current_state, &state) || !state ||
      !python_read(state + layout->state_thread, &owner))
    return 0;
  return owner == thread ? state : 0;
}

static __always_inline void python_enter_state(struct python_walk* python, __u64 state) {
  const struct leakbpf_python* layout = &python->layout;
  __u64 frame = 0;
  python->state = state;
  python->frame = 0;
  if (!state || !python_read(state + layout->state_frame, &frame))
    return;
  if (layout->indirect_frame != LEAKBPF_PYTHON_NO_OFFSET &&
      (!frame || !python_read(frame + layout->indirect_frame, &frame)))
    return;
  python->frame = frame;
}

/* Finds the thread's innermost Python frame. */
VERIFIED_ONCE int python_begin(struct walk* walk) {
  if (!walk)
    return 0;
  struct python_walk* python = &walk->python;
  python->begun = 1;
  python->frame = 0;
  python->state = 0;
  python->window.bytes = 0;
  __u32 target = walk->target;
  struct leakbpf_python* layout = bpf_map_lookup_elem(&pythons, &target);
  if (!layout)
    return 0;
  python->layout = *layout;
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  __u64 thread = task->thread.fsbase;
  __u64 state = python_current_state(layout, thread);
  python_enter_state(python, state ? state : python_own_state(layout, thread));
  return 1;
}

/* Behind the outermost frame of another interpreter stand those of the thread's own. */
VERIFIED_ONCE int python_outer_state(struct walk* walk) {
  if (!walk || !walk->python.layout.current_state)
    return 0;
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  __u64 own = python_own_state(&walk->python.layout, task->thread.fsbase);
  if (!own || own == walk->python.state)
    return 0;
  python_enter_state(&walk->python, own);
  return 1;
}

/* A word of the frame at hand. */
static __always_inline __u64 python_frame_word(const struct python_walk* python, __u32 offset) {
  __u64 word = 0;
  window_word(&python->window, python->frame + (offset & ~7U), &word);
  return word;
}

/* Has the frame at hand in the window, with what lies below it if that can be read. */
static NO_INLINE bool python_frame_fetch(struct python_walk* python) {
  if (!python || (python->frame & 7))
    return false;
  struct window* window = &python->window;
  __u64 offset = python->frame - window->start;
  if (offset < window->bytes && window->bytes - offset >= PYTHON_FRAME_BYTES)
    return true;
  __u64 end = python->frame + PYTHON_FRAME_BYTES;
  if (window_copy(window, end - PYTHON_BLOCK_BYTES, PYTHON_BLOCK_BYTES))
    return true;
  __u64 page = python->frame & ~(PAGE_BYTES - 1);
  return window_copy(window, page, end - page) ||
         window_copy(window, python->frame, PYTHON_FRAME_BYTES);
}

/* The checksum of a code object, by which it is known again: its address may be given to another
 * when it dies. user/python/code_object.cpp makes the same. */
VERIFIED_ONCE __u32 python_read_check(struct python_walk* python, __u64 code, __u32 deaths) {
  if (!python)
    return 0;
  __u64 hash = deaths;
  __u32 bytes = python->layout.check_words * 8U;
  barrier_var(bytes);
  if (bytes > sizeof(python->code_words))
    return 0;
  if (bpf_probe_read_user(python->code_words, bytes, (void*)(code + python->layout.check_from)))
    return 0;
  for (__u32 i = 0; i < LEAKBPF_PYTHON_CHECK_WORDS; i++)
    if (i * 8 < bytes)
      hash = unwind_hash(hash, python->code_words[i]);
  return (__u32)(hash >> 32);
}

/* The same, remembered as long as no code object died that may have had this address. */
static __always_inline __u32 python_code_check(struct python_walk* python,
                                               struct leakbpf_code* known, __u32 target,
                                               __u64 code) {
  __u32 deaths = known->deaths;
  if (!python->layout.deaths_told)
    return python_read_check(python, code, deaths);
  __u64 whose = unwind_hash(unwind_hash(target, code), ~(__u64)deaths) & ~0xffffffffULL;
  __u64 word = known->check;
  if (likely((word & ~0xffffffffULL) == whose))
    return (__u32)word;
  __u32 check = python_read_check(python, code, deaths);
  known->check = whose | check;
  return check;
}

#define PYTHON_GOES_ON 0 /* the next frame belongs to the same run */
#define PYTHON_STOPS 1   /* this was the last of it */
#define PYTHON_FAILS 2   /* nothing more can be said of this thread's frames */

/* One frame: keeps it and goes to its caller's. */
VERIFIED_ONCE int python_frame(struct task_state* state) {
  if (!state)
    return PYTHON_FAILS;
  struct python_walk* python = &state->walk.python;
  const struct leakbpf_python* layout = &python->layout;
  if (!python->frame || !python_frame_fetch(python))
    return PYTHON_FAILS;
  __u64 code = python_frame_word(python, layout->frame_code) & ~(__u64)layout->code_mask;
  __u64 instruction = python_frame_word(python, layout->frame_instruction);
  __u64 marks = python_frame_word(python, layout->frame_boundary);
  __u64 caller = python_frame_word(python, layout->frame_previous);
  bool marked = (__u8)(marks >> ((layout->frame_boundary & 7) * 8)) >= layout->boundary_value;
  if (layout->boundary == LEAKBPF_PYTHON_SHIM_FRAME && marked) {
    python->frame = caller;
    return PYTHON_STOPS;
  }
  if (layout->instruction_is_index)
    instruction = (__u32)instruction;
  else
    instruction -= code;
  struct leakbpf_code* known = code_of(state->walk.target, code);
  if (unlikely(!known))
    return PYTHON_FAILS;
  if (!known->seen)
    known->seen = 1;
  __u32 check = python_code_check(python, known, state->walk.target, code);
  if (!stack_keep_python(state, code, LEAKBPF_PYTHON_FRAME(check, instruction)))
    return PYTHON_FAILS;
  python->frame = caller;
  if (layout->boundary == LEAKBPF_PYTHON_SHIM_FRAME)
    return PYTHON_GOES_ON;
  return layout->boundary == LEAKBPF_PYTHON_EVERY_FRAME || marked ? PYTHON_STOPS : PYTHON_GOES_ON;
}

/* All Python frames of the thread that the walk has not come to yet, over the frames of the stack
 * at hand, which is kept already. Returns how many slots they take. Verified once: two ways lead
 * here, and most of the time to load a program went there. */
VERIFIED_ONCE __u32 python_rest(struct task_state* state) {
  if (!state)
    return 0;
  if (!state->walk.python.begun)
    python_begin(&state->walk);
  __u32 depth_of_stack = state->stack.depth;
  state->stack.depth = 0;
  for (__u32 i = 0; i < LEAKBPF_REQUEST_PYTHON_SLOTS; i++) {
    int result = python_frame(state);
    __u32 depth = state->stack.depth;
    __u32 last = depth - 2;
    barrier_var(last);
    if (result == PYTHON_STOPS && last < LEAKBPF_STACK_SLOTS)
      state->stack.pc[last] |= LEAKBPF_PYTHON_RUN_ENDS;
    if (result == PYTHON_FAILS || depth + 2 > LEAKBPF_REQUEST_PYTHON_SLOTS)
      break;
  }
  __u32 taken = state->stack.depth;
  state->stack.depth = depth_of_stack; /* by which a collision of hashes is told */
  return taken;
}

/* Keeps the Python frames that the run of the evaluation function at hand stands for. Returns how
 * many: without any, the native frame is all that can be shown. */
VERIFIED_ONCE __u32 python_frames(struct task_state* state) {
  if (!state)
    return 0;
  struct walk* walk = &state->walk;
  __u32 before = walk->frames;
  if (!walk->python.begun)
    python_begin(walk);
  else if (!walk->python.frame && walk->python.state)
    python_outer_state(walk);
  for (__u32 i = 0; i < LEAKBPF_MAX_FRAMES; i++) {
    int result = python_frame(state);
    if (result == PYTHON_FAILS)
      walk->python.frame = 0;
    if (result != PYTHON_GOES_ON)
      break;
  }
  return walk->frames - before;
}
