/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Every map. Sizes are those of a small target; user space sets the real ones before loading. */
#pragma once

#include "kernel.bpf.h"

/* Processes that are traced, by tgid. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 8192);
  __type(key, __u32);
  __type(value, struct leakbpf_target);
} targets SEC(".maps");

/* Outstanding heap blocks and pages. Never LRU: an eviction would be a silent loss. */
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1 << 20);
  __type(key, struct leakbpf_block_key);
  __type(value, struct leakbpf_block);
} live SEC(".maps");

/* Totals by call stack. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1 << 15);
  __type(key, struct leakbpf_site_key);
  __type(value, struct leakbpf_site_totals);
} sites SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(map_flags, BPF_F_NO_PREALLOC);
  __uint(max_entries, 1 << 15);
  __type(key, __u64);
  __type(value, struct leakbpf_stack);
} stacks SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct leakbpf_counters);
} counters SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, LEAKBPF_ACTIVITY_SLOTS + 1);
  __type(key, __u32);
  __type(value, struct leakbpf_activity);
} activity SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, LEAKBPF_WINDOWS);
  __type(key, __u32);
  __type(value, struct leakbpf_window);
} windows SEC(".maps");

/* The last target id given out; ids are unique across fork and exec. */
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} last_target_id SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 22);
} events SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_RINGBUF);
  __uint(max_entries, 1 << 22);
} unwind_requests SEC(".maps");
