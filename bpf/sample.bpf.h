/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which heap blocks are followed: each byte has the same chance, so that a block of `size` bytes
 * has 1 - e^(-size / mean), and stands for the inverse of that many blocks like it (Horvitz and
 * Thompson, 1952). User space makes the table of the inverses before the programs are loaded. */
#pragma once

#include "counters.bpf.h"

#include <leakbpf/sampling.h>

const volatile __u32 sampling_weights[LEAKBPF_SAMPLING_ROWS][LEAKBPF_SAMPLING_COLUMNS] = {};

/* Never NULL: that is for the verifier. */
static __always_inline struct leakbpf_window* window_of(const struct leakbpf_target* target) {
  __u32 index = target->window;
  return bpf_map_lookup_elem(&windows, &index);
}

/* The weight of a block of this size, in units of 1/256; 0: it is not followed. */
static __always_inline __u32 sample_weight(const struct leakbpf_window* window, __u64 size) {
  __u32 row = window->row;
  if (row >= LEAKBPF_SAMPLING_EXACT)
    return LEAKBPF_WEIGHT_ONE * window->scale;
  __u32 column = sampling_column(size);
  barrier_var(row);
  barrier_var(column);
  if (row >= LEAKBPF_SAMPLING_ROWS || column >= LEAKBPF_SAMPLING_COLUMNS)
    return 0;
  __u32 weight = sampling_weights[row][column];
  /* random / 2^32 < 1 / (weight / 256) */
  if (weight > LEAKBPF_WEIGHT_ONE &&
      (__u64)bpf_get_prandom_u32() * weight >= 1ULL << (32 + LEAKBPF_WEIGHT_BITS))
    return 0;
  return weight * window->scale;
}
