/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which file's code lies at an address. What is not in the cache the kernel knows, at this moment:
 * a library is found as soon as it is mapped. But it does not tell while another thread changes the
 * mappings, which is why user space fills the cache. */
#pragma once

#include "../maps.bpf.h"

#define VM_EXEC_FLAG 4UL
#define PAGE_SHIFT 12
/* How often to ask again while another thread holds the lock of the mappings for a change. */
#define MAPPING_TRIES 16

struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1 << 15);
  __type(key, struct leakbpf_block_of_code);
  __type(value, struct leakbpf_mapped_code);
} mapped_blocks SEC(".maps");

/* What was asked for, and found. */
struct code_query {
  __u64 address;
  struct leakbpf_mapped_code mapping;
  bool executable;
  bool has_file;
};

static long mapping_found(struct task_struct* task, struct vm_area_struct* vma, void* context) {
  struct code_query* code = context;
  struct leakbpf_mapped_code* mapping = &code->mapping;
  struct file* file = vma->vm_file;
  __u64 vdso = (__u64)task->mm->context.vdso;
  mapping->start = vma->vm_start;
  mapping->end = vma->vm_end;
  mapping->offset = vma->vm_pgoff << PAGE_SHIFT;
  code->executable = (vma->vm_flags & VM_EXEC_FLAG) != 0;
  if (file) {
    struct inode* inode = file->f_inode;
    mapping->file.inode = inode->i_ino;
    mapping->file.device = inode->i_sb->s_dev;
    code->has_file = true;
  } else if (vdso && vdso == mapping->start) {
    mapping->file.inode = LEAKBPF_VDSO_INODE;
    mapping->file.device = LEAKBPF_VDSO_DEVICE;
    mapping->offset = 0;
    code->has_file = true;
  }
  return 0;
}

/* 0, or a negative error: -ENOENT nothing is mapped there, -EBUSY. */
VERIFIED_ONCE int mapping_ask(struct code_query* code) {
  if (!code)
    return -ERROR_BUSY;
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  struct code_query query = {.address = code->address}; /* the helper wants a place on our stack */
  int error = (int)bpf_find_vma(task, query.address, mapping_found, &query, 0);
  *code = query;
  return error;
}

static __always_inline int mapping_ask_again(struct code_query* code) {
  int error = -ERROR_BUSY;
  for (int i = 0; i < MAPPING_TRIES && error == -ERROR_BUSY; i++)
    error = mapping_ask(code);
  return error;
}

static __always_inline int mapping_find(struct code_query* code, __u32 space) {
  struct leakbpf_block_of_code key = {.space = space,
                                      .block = (__u32)(code->address >> LEAKBPF_CODE_BLOCK_SHIFT)};
  struct leakbpf_mapped_code* known = bpf_map_lookup_elem(&mapped_blocks, &key);
  if (known && code->address >= known->start && code->address < known->end) {
    code->mapping = *known;
    code->executable = true;
    code->has_file = true;
    return 0;
  }
  int error = mapping_ask_again(code);
  if (!error && code->executable && code->has_file)
    bpf_map_update_elem(&mapped_blocks, &key, &code->mapping, BPF_ANY);
  return error;
}
