/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What uprobes leave in the target that a walk must see through. */
#pragma once

#include "window.bpf.h"

/* The kernel keeps at most this many pending returns for a thread (MAX_URETPROBE_DEPTH). */
#define MAX_PENDING_RETURNS 64

/* Where the kernel makes hijacked calls return to; 0 before the first return probe fired. */
static __always_inline __u64 return_trampoline(void) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  struct xol_area* area = task->mm->uprobes_state.xol_area;
  __u64 address = 0;
  if (area)
    address = area->vaddr;
  barrier_var(address); /* else the compiler may share this load with one of another type */
  return address;
}

/* The address that a pending return probe replaced at `slot`. One call can have several probes
 * pending, when it was reached by a tail call: all but one of them replaced the trampoline. */
VERIFIED_ONCE __u64 pending_return(__u64 slot, __u64 trampoline) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  struct uprobe_task* utask = task->utask;
  if (!utask)
    return trampoline;
  struct return_instance* pending = utask->return_instances;
  for (int i = 0; i < MAX_PENDING_RETURNS && pending; i++) {
    if (pending->stack == slot && pending->orig_ret_vaddr != trampoline)
      return pending->orig_ret_vaddr;
    pending = pending->next;
  }
  return trampoline;
}

static __always_inline __u64 unwind_return_address(struct walk* walk, __u64 slot, __u64 found) {
  return likely(found != walk->trampoline) ? found : pending_return(slot, found);
}

/* The registers at the probe. */
static NO_INLINE bool unwind_cpu_register(struct walk* walk, __u32 number, __u64* value) {
  if (!value)
    return false;
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  struct pt_regs* regs = (struct pt_regs*)bpf_task_pt_regs(task);
  switch (number) {
  case LEAKBPF_REGISTER_AX:
    *value = regs->ax;
    break;
  case LEAKBPF_REGISTER_DX:
    *value = regs->dx;
    break;
  case LEAKBPF_REGISTER_CX:
    *value = regs->cx;
    break;
  case LEAKBPF_REGISTER_BX:
    *value = regs->bx;
    break;
  case LEAKBPF_REGISTER_SI:
    *value = regs->si;
    break;
  case LEAKBPF_REGISTER_DI:
    *value = regs->di;
    break;
  case 8:
    *value = regs->r8;
    break;
  case 9:
    *value = regs->r9;
    break;
  case 10:
    *value = regs->r10;
    break;
  case 11:
    *value = regs->r11;
    break;
  case 12:
    *value = regs->r12;
    break;
  case 13:
    *value = regs->r13;
    break;
  case 14:
    *value = regs->r14;
    break;
  case 15:
    *value = regs->r15;
    break;
  default:
    return false;
  }
  return true;
}
