/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Address ranges: mmap, munmap, mremap, brk, sbrk called by the program itself. They are rare and
 * overlap at will, so the kernel side only reports them in order and user space keeps the map of
 * ranges (user/core/range_map). An unmap is reported before it happens: afterwards another thread
 * could have been given the same addresses already. */
#pragma once

#include "registers.bpf.h"
#include "site.bpf.h"

#define PAGE_MASK 4095ULL
#define MREMAP_DONTUNMAP_FLAG 4
#define PROT_WRITE_FLAG 2
#define PROT_EXEC_FLAG 4

static __always_inline __u64 page_round(__u64 bytes) {
  return (bytes + PAGE_MASK) & ~PAGE_MASK;
}

static __always_inline __u64 current_break(void) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  return BPF_CORE_READ(task, mm, brk);
}

static __always_inline void emit_range(__u32 type, __u32 target, __u64 address, __u64 length,
                                       __u64 argument, __u64 stack_hash) {
  struct leakbpf_event* event = event_reserve(type, target);
  if (!event)
    return;
  event->address = address;
  event->length = length;
  event->argument = argument;
  event->stack_hash = stack_hash;
  bpf_ringbuf_submit(event, 0);
}

/* True when the call gives up [address, address + length). */
static __always_inline bool range_is_taken(const struct arguments* args, __u32 operation) {
  if ((args->first & PAGE_MASK) || !args->second)
    return false; /* the kernel refuses the first; a length of 0 takes nothing */
  return operation == LEAKBPF_OP_MUNMAP ||
         (operation == LEAKBPF_OP_MREMAP && !(args->fourth & MREMAP_DONTUNMAP_FLAG));
}

/* The call serves one that is followed. What it maps is that one's; what it gives up may be known
 * from a time when no window was open. */
static __always_inline void range_in_call(const struct arguments* args, __u32 operation,
                                          __u32 target) {
  struct task_state* state = task_state();
  if (!config_windows || !state)
    return;
  if (operation == LEAKBPF_OP_MMAP || operation == LEAKBPF_OP_MREMAP)
    state->call.maps_memory = 1;
  if (!range_is_taken(args, operation))
    return;
  emit_range(LEAKBPF_EVENT_RANGE_TAKE, target, args->first, page_round(args->second), 0, 0);
  emit_range(LEAKBPF_EVENT_RANGE_DONE, target, 0, 0, 1, 0);
}

static __always_inline int range_entry(struct pt_regs* regs) {
  __u64 cookie = bpf_get_attach_cookie(regs);
  struct leakbpf_target* target = probed_target(cookie);
  if (!target)
    return 1;
  count_standing_hit(target->id, LEAKBPF_STANDING_MAPPINGS);
  __u32 operation = LEAKBPF_COOKIE_OPERATION(cookie);
  if (operation == LEAKBPF_OP_MUNMAP && !target->maps_memory)
    return 1;
  struct leakbpf_window* window = window_of(target);
  struct task_state* state = window ? call_begin(regs, target, window, cookie) : 0;
  struct arguments args = read_arguments(regs);
  if (!state) {
    range_in_call(&args, operation, target->id);
    return 1;
  }
  state->call.size = operation == LEAKBPF_OP_MREMAP ? args.third : args.second;
  if (operation == LEAKBPF_OP_BRK)
    state->call.pointer = current_break();
  else if (operation == LEAKBPF_OP_MMAP)
    state->call.pointer = args.third; /* protection */
  else if (range_is_taken(&args, operation))
    emit_range(LEAKBPF_EVENT_RANGE_TAKE, target->id, args.first, page_round(args.second), 0, 0);
  return 0;
}

/* Hash of the stack of the call at hand, kept in the table. */
static __always_inline __u64 range_stack(struct pt_regs* regs, struct task_state* state) {
  __u64 begin = bpf_ktime_get_ns();
  __u64 hash = stack_record(state, stack_at_return(regs, state));
  count_standing_work(state->call.target, LEAKBPF_STANDING_MAPPINGS, begin, bpf_ktime_get_ns());
  return hash;
}

static __always_inline void break_moved(struct pt_regs* regs, struct task_state* state) {
  __u64 now = current_break();
  if (now == state->call.pointer)
    return;
  __u64 hash = now > state->call.pointer ? range_stack(regs, state) : 0;
  emit_range(LEAKBPF_EVENT_BREAK, state->call.target, now, 0, state->call.pointer, hash);
}

static __always_inline int range_return(struct pt_regs* regs) {
  struct task_state* state = call_end(regs);
  if (!state)
    return 0;
  count_standing_hit(state->call.target, LEAKBPF_STANDING_MAPPINGS);
  __u32 operation = LEAKBPF_COOKIE_OPERATION(state->call.cookie);
  __u64 address = result(regs);
  if (operation == LEAKBPF_OP_BRK) {
    break_moved(regs, state);
    return 0;
  }
  bool succeeded = operation == LEAKBPF_OP_MUNMAP ? (__u32)address == 0 : address != ~0ULL;
  if (operation == LEAKBPF_OP_MUNMAP || !succeeded) {
    if (operation != LEAKBPF_OP_MMAP)
      emit_range(LEAKBPF_EVENT_RANGE_DONE, state->call.target, 0, 0, succeeded, 0);
    return 0;
  }
  struct leakbpf_target* target = current_target();
  if (target) {
    target->maps_memory = 1;
    if (operation == LEAKBPF_OP_MMAP && (state->call.pointer & PROT_EXEC_FLAG))
      target->space = next_target_id(); /* code, by a loader of the program's own */
  }
  bool reserved = operation == LEAKBPF_OP_MMAP && !(state->call.pointer & PROT_WRITE_FLAG);
  emit_range(LEAKBPF_EVENT_RANGE_DONE, state->call.target, address, page_round(state->call.size),
             reserved ? LEAKBPF_RANGE_RESERVED : LEAKBPF_RANGE_SUCCEEDED, range_stack(regs, state));
  return 0;
}
