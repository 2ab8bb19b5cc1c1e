/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Made by tools/vmlinux from vmlinux/fields; do not edit. */
#ifndef LEAKBPF_VMLINUX_H
#define LEAKBPF_VMLINUX_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
  unsigned long bp;
  unsigned long r9;
  unsigned long r8;
  unsigned long ax;
  unsigned long cx;
  unsigned long dx;
  unsigned long si;
  unsigned long di;
  unsigned long ip;
  unsigned long sp;
};

struct xol_area {
  unsigned long vaddr;
};

struct uprobes_state {
  struct xol_area *xol_area;
};

struct mm_struct {
  unsigned long brk;
  struct uprobes_state uprobes_state;
};

typedef struct {
  int counter;
} atomic_t;

struct signal_struct {
  atomic_t live;
  int group_exit_code;
};

struct task_struct {
  int tgid;
  int pid;
  struct mm_struct *mm;
  struct signal_struct *signal;
  int exit_code;
};

#pragma clang attribute pop

#endif
