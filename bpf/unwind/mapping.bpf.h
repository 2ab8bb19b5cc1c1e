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

struct mapped_code {
  __u64 address;    /* asked for */
  __u64 offset;     /* of it in the file */
  __u64 start, end; /* of the mapping */
  struct leakbpf_file_key file;
  bool executable;
  bool has_file;
};

static long mapping_found(struct task_struct* task, struct vm_area_struct* vma, void* context) {
  struct mapped_code* code = context;
  struct file* file = vma->vm_file;
  code->start = vma->vm_start;
  code->end = vma->vm_end;
  code->executable = (vma->vm_flags & VM_EXEC_FLAG) != 0;
  code->offset = code->address - vma->vm_start + (vma->vm_pgoff << PAGE_SHIFT);
  code->has_file = false;
  if (file) {
    struct inode* inode = file->f_inode;
    code->file.inode = inode->i_ino;
    code->file.device = inode->i_sb->s_dev;
    code->file.generation = inode->i_generation;
    code->has_file = true;
  } else {
    __u64 vdso = (__u64)task->mm->context.vdso;
    if (vdso && vdso == vma->vm_start) {
      code->file.inode = LEAKBPF_VDSO_INODE;
      code->file.device = LEAKBPF_VDSO_DEVICE;
      code->file.generation = 0;
      code->offset = code->address - vdso;
      code->has_file = true;
    }
  }
  return 0;
}

/* 0, or a negative error: -ENOENT nothing is mapped there, -EBUSY. */
static __always_inline int mapping_ask(struct mapped_code* code) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  int error = -ERROR_BUSY;
  for (int i = 0; i < MAPPING_TRIES && error == -ERROR_BUSY; i++)
    error = (int)bpf_find_vma(task, code->address, mapping_found, code, 0);
  return error;
}

static __always_inline int mapping_find(struct mapped_code* code, __u32 space) {
  struct leakbpf_block_of_code key = {.space = space,
                                      .block = (__u32)(code->address >> LEAKBPF_CODE_BLOCK_SHIFT)};
  struct leakbpf_mapped_code* known = bpf_map_lookup_elem(&mapped_blocks, &key);
  if (known && code->address >= known->start && code->address < known->end) {
    code->offset = code->address - known->start + known->offset;
    code->file = known->file;
    code->executable = true;
    code->has_file = true;
    return 0;
  }
  int error = mapping_ask(code);
  if (!error && code->executable && code->has_file) {
    struct leakbpf_mapped_code found = {.start = code->start,
                                        .end = code->end,
                                        .offset = code->offset - (code->address - code->start),
                                        .file = code->file};
    bpf_map_update_elem(&mapped_blocks, &key, &found, BPF_ANY);
  }
  return error;
}
