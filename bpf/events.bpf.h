/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Records for user space about what is rare: new stacks, mappings, the life of processes. */
#pragma once

#include "counters.bpf.h"

static __always_inline struct leakbpf_event* event_reserve(__u32 type, __u32 target) {
  struct leakbpf_event* event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
  if (!event) {
    count_loss(LEAKBPF_LOSS_EVENTS_DROPPED);
    return 0;
  }
  __u64 pid_tgid = bpf_get_current_pid_tgid();
  __builtin_memset(event, 0, sizeof(*event));
  event->type = type;
  event->target = target;
  event->tgid = pid_tgid >> 32;
  event->tid = (__u32)pid_tgid;
  event->time_ns = bpf_ktime_get_ns();
  return event;
}

static __always_inline void emit_new_stack(__u64 hash, __u32 target, __u32 space) {
  struct leakbpf_event* event = event_reserve(LEAKBPF_EVENT_NEW_STACK, target);
  if (!event)
    return;
  event->argument = space;
  event->stack_hash = hash;
  bpf_ringbuf_submit(event, 0);
}
