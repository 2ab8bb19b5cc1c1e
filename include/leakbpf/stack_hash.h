/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Hashes of call stacks: each word is folded in, innermost frame first. */
#ifndef LEAKBPF_STACK_HASH_H
#define LEAKBPF_STACK_HASH_H

#include <linux/types.h>

/* 2^64 / golden ratio: Knuth's multiplicative hashing. */
static inline __attribute__((always_inline)) __u64 unwind_hash(__u64 hash, __u64 value) {
  hash ^= value;
  hash *= 0x9e3779b97f4a7c15ULL;
  return hash ^ (hash >> 29);
}

/* The second hash, of another form. */
static inline __attribute__((always_inline)) __u64 unwind_check(__u64 check, __u64 value) {
  return check * 31 + value;
}

#endif
