/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The life of target processes. A child or a new program is a target of its own, with a new id,
 * before it can run: nothing of its parent or its past is charged to it. */
#pragma once

#include "call.bpf.h"
#include "config.bpf.h"
#include "events.bpf.h"
#include "python/frames.bpf.h"

/* Where the stack of the process's program began: another address for each program that it runs. */
static __always_inline __u64 start_of_stack(struct task_struct* task) {
  struct mm_struct* mm = task->mm;
  return mm ? mm->start_stack : 0;
}

/* The image that had this id is gone. */
static __always_inline void python_ended(__u32 target) {
  bpf_map_delete_elem(&pythons, &target);
  bpf_map_delete_elem(&python_heaps, &target);
}

/* The child's interpreter is its parent's. */
static __always_inline void python_forked(__u32 parent, __u32 child) {
  struct leakbpf_python* layout = bpf_map_lookup_elem(&pythons, &parent);
  if (!layout)
    return;
  struct leakbpf_python own = *layout;
  own.deaths_told = 0; /* until user space has attached to the child */
  bpf_map_update_elem(&pythons, &child, &own, BPF_ANY);
}

static __always_inline __u8 inherited_pages(const struct leakbpf_target* target) {
  return target->pages == LEAKBPF_PAGES_INHERITED ? LEAKBPF_PAGES_INHERITED : LEAKBPF_PAGES_NONE;
}

static __always_inline int process_forked(struct task_struct* parent, struct task_struct* child) {
  __u32 parent_tgid = parent->tgid;
  __u32 child_tgid = child->tgid;
  if (!config_follow_forks || parent_tgid == child_tgid) /* a thread */
    return 0;
  struct leakbpf_target* target = bpf_map_lookup_elem(&targets, &parent_tgid);
  if (!target)
    return 0;
  struct leakbpf_target fresh = {
      .id = next_target_id(),
      .maps_memory = target->maps_memory,
      .pages = inherited_pages(target),
      .shared = target->shared,
      .window = target->window,
      .code_pages = target->code_pages,
  };
  fresh.space = fresh.id; /* from now on the two map files on their own */
  if (bpf_map_update_elem(&targets, &child_tgid, &fresh, BPF_ANY)) {
    count_loss(LEAKBPF_LOSS_TARGETS_FULL);
    return 0;
  }
  python_forked(target->id, fresh.id);
  struct leakbpf_event* event = event_reserve(LEAKBPF_EVENT_FORK, fresh.id);
  if (!event)
    return 0;
  event->tgid = child_tgid;
  event->peer_tgid = parent_tgid;
  event->peer_target = target->id;
  event->address = start_of_stack(parent); /* the child's is a copy */
  bpf_ringbuf_submit(event, 0);
  return 0;
}

/* It may be one that is looked for. */
static __always_inline int process_appeared(void) {
  struct leakbpf_event* event = config_watch ? event_reserve(LEAKBPF_EVENT_APPEARED, 0) : 0;
  if (event)
    bpf_ringbuf_submit(event, 0);
  return 0;
}

static __always_inline int process_executed(struct task_struct* task) {
  __u32 tgid = task->tgid;
  struct leakbpf_target* target = bpf_map_lookup_elem(&targets, &tgid);
  if (!target)
    return process_appeared();
  /* The old stack is gone, and with it any call that was in progress on it. */
  bpf_task_storage_delete(&task_states, (struct task_struct*)bpf_get_current_task_btf());
  __u32 old = target->id;
  struct leakbpf_target fresh = {.id = next_target_id(),
                                 .pages = inherited_pages(target),
                                 .shared = target->shared,
                                 .window = target->window};
  fresh.space = fresh.id;
  bpf_map_update_elem(&targets, &tgid, &fresh, BPF_EXIST);
  python_ended(old);
  struct leakbpf_event* event = event_reserve(LEAKBPF_EVENT_EXEC, fresh.id);
  if (!event)
    return 0;
  event->peer_target = old;
  event->address = start_of_stack(task);
  bpf_ringbuf_submit(event, 0);
  return 0;
}

static __always_inline int process_exited(struct task_struct* task) {
  __u32 tgid = task->tgid;
  struct leakbpf_target* target = bpf_map_lookup_elem(&targets, &tgid);
  if (!target || task->signal->live.counter != 0) /* other threads go on */
    return 0;
  __u32 id = target->id;
  __u32 status = task->signal->group_exit_code ? task->signal->group_exit_code : task->exit_code;
  bpf_map_delete_elem(&targets, &tgid);
  python_ended(id);
  struct leakbpf_event* event = event_reserve(LEAKBPF_EVENT_EXIT, id);
  if (!event)
    return 0;
  event->argument = status;
  bpf_ringbuf_submit(event, 0);
  return 0;
}
