/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Lists a process's mapped code, with files named as the walker names them: /proc/PID/maps shows
 * other numbers on stacked file systems. */
#pragma once

#include "unwind/mapping.bpf.h"

static __always_inline int vma_listed(struct bpf_iter__task_vma* ctx) {
  struct vm_area_struct* vma = ctx->vma;
  struct task_struct* task = ctx->task;
  if (!vma || !task || !(vma->vm_flags & VM_EXEC_FLAG))
    return 0;
  struct mapped_code code = {.address = vma->vm_start};
  mapping_found(task, vma, &code);
  if (!code.has_file)
    return 0;
  struct leakbpf_mapped_code record = {
      .start = vma->vm_start, .end = vma->vm_end, .offset = code.offset, .file = code.file};
  bpf_seq_write(ctx->meta->seq, &record, sizeof(record));
  return 0;
}
