/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Made by tools/vmlinux from vmlinux/fields; do not edit. */
#ifndef LEAKBPF_VMLINUX_H
#define LEAKBPF_VMLINUX_H

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
  unsigned long r15;
  unsigned long r14;
  unsigned long r13;
  unsigned long r12;
  unsigned long bp;
  unsigned long bx;
  unsigned long r11;
  unsigned long r10;
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

typedef struct {
  void *vdso;
} mm_context_t;

struct mm_struct {
  unsigned long start_stack;
  unsigned long brk;
  unsigned long exec_vm;
  struct uprobes_state uprobes_state;
  mm_context_t context;
};

struct super_block {
  unsigned int s_dev;
};

struct inode {
  struct super_block *i_sb;
  unsigned long i_ino;
};

struct file {
  struct inode *f_inode;
};

struct vm_area_struct {
  unsigned long vm_start;
  unsigned long vm_end;
  unsigned long vm_flags;
  unsigned long vm_pgoff;
  struct file *vm_file;
};

struct return_instance {
  unsigned long stack;
  unsigned long orig_ret_vaddr;
  struct return_instance *next;
};

struct uprobe_task {
  struct return_instance *return_instances;
};

typedef struct {
  int counter;
} atomic_t;

struct signal_struct {
  atomic_t live;
  int group_exit_code;
};

struct thread_struct {
  unsigned long fsbase;
};

struct task_struct {
  int tgid;
  int pid;
  struct mm_struct *mm;
  struct signal_struct *signal;
  int exit_code;
  struct uprobe_task *utask;
  struct thread_struct thread;
};

#pragma clang attribute pop

#endif
