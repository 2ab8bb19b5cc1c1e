/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Columns of the table of sampling weights: eight for each power of two, so that a size differs by
 * at most an eighth from those that share its weight. Sizes up to 15 have columns of their own. */
#ifndef LEAKBPF_SAMPLING_H
#define LEAKBPF_SAMPLING_H

#include <leakbpf/abi.h>

/* The position of the highest bit that is set; 0 for 0. */
static inline __attribute__((always_inline)) __u32 sampling_log2(__u64 value) {
  __u32 bits = 0;
  if (value >> 32) {
    value >>= 32;
    bits += 32;
  }
  if (value >> 16) {
    value >>= 16;
    bits += 16;
  }
  if (value >> 8) {
    value >>= 8;
    bits += 8;
  }
  if (value >> 4) {
    value >>= 4;
    bits += 4;
  }
  if (value >> 2) {
    value >>= 2;
    bits += 2;
  }
  return bits + (__u32)(value >> 1);
}

/* The last column is for all sizes from there on. */
static inline __attribute__((always_inline)) __u32 sampling_column(__u64 size) {
  if (size < 8)
    return (__u32)size;
  __u32 log2 = sampling_log2(size);
  __u32 column = (log2 - 2) * 8 + (__u32)((size >> (log2 - 3)) & 7);
  return column < LEAKBPF_SAMPLING_COLUMNS ? column : LEAKBPF_SAMPLING_COLUMNS - 1;
}

#endif
