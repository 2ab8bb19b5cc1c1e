/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Pages of memory, by the page faults that bring them: what a process touches, whoever allocated
 * it, with no probe in it.
 *
 * A sample of the pages is followed, by their addresses: of a sample of the faults one would not
 * see that a page was given back and is another's now. The event comes before the kernel handles
 * the fault, with preemption off. User space looks from time to time which pages are still there.
 */
#pragma once

#include "heap.bpf.h"

#define VM_WRITE_FLAG 2UL
#define VM_SHARED_FLAG 8UL

/* struct bpf_perf_event_data of linux/bpf_perf_event.h, which has a struct pt_regs of its own. */
struct fault_context {
  __u64 registers[21];
  __u64 sample_period;
  __u64 address;
};

static __always_inline bool page_is_followed(__u64 address) {
  __u64 hash = unwind_hash(unwind_hash(0, address >> PAGE_SHIFT), 1);
  return (__u32)(hash >> 32) % LEAKBPF_PAGES_PER_SAMPLE == 0;
}

/* The page can be read: this is no new one, but one that may not be written yet, such as any that
 * is shared since a fork. */
static __always_inline bool page_is_there(__u64 address) {
  __u8 byte;
  return !bpf_probe_read_user(&byte, sizeof(byte), (void*)address);
}

static long page_mapping_found(struct task_struct* task, struct vm_area_struct* vma,
                               void* context) {
  bool* of_file = context;
  unsigned long flags = vma->vm_flags;
  *of_file = vma->vm_file && ((flags & VM_SHARED_FLAG) || !(flags & VM_WRITE_FLAG));
  return 0;
}

/* The page will be a file's, or shared memory, as far as its mapping tells; of a private file
 * mapping only user space can tell, later. */
static __always_inline bool page_is_of_file(__u64 address) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  bool of_file = false;
  bpf_find_vma(task, address, page_mapping_found, &of_file, 0);
  return of_file;
}

/* The stack of user code that faulted, or that called the kernel when the fault is the kernel's. */
static __always_inline __u64 stack_at_fault(const struct leakbpf_target* target,
                                            struct task_state* state) {
  struct task_struct* task = (struct task_struct*)bpf_get_current_task_btf();
  const struct pt_regs* regs = (struct pt_regs*)bpf_task_pt_regs(task);
  walk_begin(&state->walk, regs, target->id, target->space, false);
  return stack_walk(state);
}

static __always_inline void page_sampled(const struct leakbpf_target* target, __u64 address) {
  struct task_state* state = task_state_made();
  if (!state)
    return;
  struct leakbpf_block_key place = {
      .address = address & ~PAGE_MASK, .target = target->id, .kind = LEAKBPF_KIND_PAGES};
  struct leakbpf_site_key key = {.stack_hash = stack_at_fault(target, state),
                                 .target = target->id,
                                 .kind = LEAKBPF_KIND_PAGES};
  struct leakbpf_site_totals* totals = site_of(&key, state);
  if (unlikely(!totals))
    return;
  /* Of no window: these are followed all the time. */
  struct leakbpf_block page = {.size = PAGE_BYTES,
                               .stack_hash = key.stack_hash,
                               .time_ns = bpf_ktime_get_ns(),
                               .weight = LEAKBPF_WEIGHT_ONE * LEAKBPF_PAGES_PER_SAMPLE};
  if (likely(block_put(&place, &page)))
    site_add_allocated(totals, &page);
}

static __always_inline int page_faulted(__u64 address) {
  count_page_fault();
  if (likely(!page_is_followed(address)))
    return 0;
  struct leakbpf_target* target = current_target();
  if (likely(!target || !target->pages))
    return 0;
  __u64 begin = bpf_ktime_get_ns();
  count_standing_hit(target->id, LEAKBPF_STANDING_PAGES);
  if (address < UNWIND_MAX_PC && !page_is_there(address) && !page_is_of_file(address))
    page_sampled(target, address);
  count_standing_work(target->id, LEAKBPF_STANDING_PAGES, begin, bpf_ktime_get_ns());
  return 0;
}
