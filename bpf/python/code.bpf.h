/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Python code objects that die: user space reads a code object soon after it was first seen in a
 * stack, but some live shorter. What is needed to name their frames is sent along. */
#pragma once

#include "../events.bpf.h"
#include "frames.bpf.h"

/* The beginning of an object, up to the end of its page when what follows cannot be read. What was
 * not read is zero: the helper clears it. */
static __always_inline void copy_beginning(void* to, __u32 size, __u64 from) {
  if (!bpf_probe_read_user(to, size, (void*)from))
    return;
  __u32 left = (__u32)(PAGE_BYTES - (from & (PAGE_BYTES - 1)));
  barrier_var(left);
  if (left < size)
    bpf_probe_read_user(to, left, (void*)from);
}

static __always_inline int code_died(struct pt_regs* regs) {
  struct leakbpf_target* target = probed_target(bpf_get_attach_cookie(regs));
  if (!target)
    return 0;
  count_standing_hit(target->id, LEAKBPF_STANDING_HOOKS);
  __u64 code = regs->di;
  struct leakbpf_code* known = code_of(target->id, code);
  if (!known || !known->seen)
    return 0; /* no stack has it: nobody asks what it was */
  struct task_state* state = bpf_task_storage_get(&task_states, bpf_get_current_task_btf(), 0,
                                                  BPF_LOCAL_STORAGE_GET_F_CREATE);
  struct leakbpf_python* layout = bpf_map_lookup_elem(&pythons, &target->id);
  if (!state || !layout)
    return 0;
  known->seen = 0;
  state->walk.python.layout = *layout;
  __u32 check = python_code_check(&state->walk.python, known, target->id, code);
  __sync_fetch_and_add(&known->deaths, 1);
  struct leakbpf_dead_code* record = bpf_ringbuf_reserve(&events, sizeof(*record), 0);
  if (!record) {
    count_loss(LEAKBPF_LOSS_EVENTS_DROPPED);
    return 0;
  }
  __builtin_memset(&record->event, 0, sizeof(record->event));
  record->event.type = LEAKBPF_EVENT_CODE_DIED;
  record->event.target = target->id;
  record->event.address = code;
  record->event.argument = check;
  python_read(code + layout->code_filename, &record->filename);
  python_read(code + layout->code_name, &record->name);
  python_read(code + layout->code_line_table, &record->line_table);
  copy_beginning(record->code_bytes, sizeof(record->code_bytes), code);
  copy_beginning(record->filename_bytes, sizeof(record->filename_bytes), record->filename);
  copy_beginning(record->name_bytes, sizeof(record->name_bytes), record->name);
  copy_beginning(record->line_table_bytes, sizeof(record->line_table_bytes), record->line_table);
  bpf_ringbuf_submit(record, 0);
  return 0;
}
