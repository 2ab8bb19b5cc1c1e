/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Changes of what a process has mapped, as its dynamic linker tells debuggers of them. */
#pragma once

#include "target.bpf.h"

/* The dynamic linker calls its hook before and after it maps or unmaps a file. When there is less
 * code than before, what is known of addresses may be wrong: they get a new name. When there is
 * more, user space makes tables for what is new. Without room for the record nothing is lost: the
 * first walk through a new file asks for its table. */
static __always_inline int mappings_changed(struct pt_regs* regs) {
  struct leakbpf_target* target = probed_target(bpf_get_attach_cookie(regs));
  if (!target)
    return 0;
  count_standing_hit(target->id, LEAKBPF_STANDING_HOOKS);
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  __u64 code_pages = task->mm->exec_vm;
  if (code_pages == target->code_pages)
    return 0;
  if (code_pages < target->code_pages)
    target->space = next_target_id();
  target->code_pages = code_pages;
  struct leakbpf_unwind_request* request =
      bpf_ringbuf_reserve(&unwind_requests, LEAKBPF_UNWIND_REQUEST_HEADER, 0);
  if (!request)
    return 0;
  __builtin_memset(request, 0, LEAKBPF_UNWIND_REQUEST_HEADER);
  request->target = target->id;
  request->tgid = bpf_get_current_pid_tgid() >> 32;
  request->space = target->space;
  bpf_ringbuf_submit(request, 0);
  return 0;
}
