/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Counts hits in one process: how leakbpf finds out what this kernel can attach. */
#include "kernel.bpf.h"

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u64);
} hits SEC(".maps");

SEC("uprobe")
int on_selftest(struct pt_regs* ctx) {
  __u32 zero = 0;
  __u64* count = bpf_map_lookup_elem(&hits, &zero);
  if (count)
    __sync_fetch_and_add(count, 1);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
