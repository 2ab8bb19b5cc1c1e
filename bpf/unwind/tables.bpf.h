/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The unwind tables: file and offset -> rule. User space fills them (user/unwind/). */
#pragma once

#include "../maps.bpf.h"

/* Set by user space when it has no room for more tables. */
volatile __u32 unwind_requests_refused = 0;

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1 << 14);
  __type(key, struct leakbpf_file_key);
  __type(value, struct leakbpf_unwind_file);
} unwind_files SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1 << 16);
  __type(key, __u32);
  __type(value, union leakbpf_unwind_node);
} unwind_nodes SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, LEAKBPF_UNWIND_MAX_RULES);
  __type(key, __u32);
  __type(value, struct leakbpf_unwind_rule);
} unwind_rules SEC(".maps");

/* Walks that end at memory which user space could not read either, by the hash of their frames:
 * the time until which it need not try again. It fills them in. */
struct {
  __uint(type, BPF_MAP_TYPE_LRU_HASH);
  __uint(max_entries, 1 << 10);
  __type(key, __u64);
  __type(value, __u64);
} unreadable_walks SEC(".maps");

/* Index of the last key that is not above `offset`; 0 when all are. */
VERIFIED_ONCE __u32 node_search_keys(const union leakbpf_unwind_node* node, __u32 offset) {
  if (!node)
    return 0;
  __u32 found = 0;
  for (__u32 step = 256; step; step >>= 1) {
    __u32 next = found + step;
    barrier_var(next); /* unknown to the verifier: else it follows every way down the search */
    if (next < LEAKBPF_UNWIND_NODE_KEYS && node->inner.key[next] <= offset)
      found = next;
  }
  return found;
}

VERIFIED_ONCE __u32 node_search_rows(const union leakbpf_unwind_node* node, __u32 offset) {
  if (!node)
    return 0;
  __u32 found = 0;
  for (__u32 step = 512; step; step >>= 1) {
    __u32 next = found + step;
    barrier_var(next); /* unknown to the verifier: else it follows every way down the search */
    if (next < LEAKBPF_UNWIND_NODE_ROWS && node->leaf.low[next] <= offset)
      found = next;
  }
  return found;
}

/* Index of the rule for `offset` in a file: 0, by frame pointer, where the table has none. */
VERIFIED_ONCE __u32 table_find_rule(const struct leakbpf_unwind_file* file, __u64 offset) {
  if (!file || !file->levels || offset < file->first_offset || offset >= file->end_offset)
    return 0;
  __u32 id = file->root;
  __u32 base = file->first_offset;
  for (__u32 level = LEAKBPF_UNWIND_MAX_LEVELS; level > 1; level--) {
    if (level > file->levels)
      continue;
    union leakbpf_unwind_node* inner = bpf_map_lookup_elem(&unwind_nodes, &id);
    if (!inner)
      return 0;
    __u32 child = node_search_keys(inner, (__u32)offset);
    barrier_var(child); /* the compiler knows its range, the verifier wants to see it checked */
    if (child >= LEAKBPF_UNWIND_NODE_KEYS)
      return 0;
    base = inner->inner.key[child];
    id = inner->inner.first_child + child;
  }
  union leakbpf_unwind_node* leaf = bpf_map_lookup_elem(&unwind_nodes, &id);
  if (!leaf)
    return 0;
  __u32 low = (__u32)offset - base;
  __u32 row = node_search_rows(leaf, low < 0xffff ? low : 0xffff);
  barrier_var(row);
  __u32 rule = row < LEAKBPF_UNWIND_NODE_ROWS ? leaf->leaf.rule[row] : 0;
  return rule < LEAKBPF_UNWIND_NODE_RULES ? leaf->leaf.rules[rule] : 0;
}
