/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reads the target's stack in blocks. */
#pragma once

#include "walk_state.bpf.h"

static __always_inline bool window_copy(struct walk* walk, __u64 address, __u64 bytes) {
  barrier_var(bytes);
  if (bytes > WINDOW_BYTES)
    return false;
  return !bpf_probe_read_user(walk->window, (__u32)bytes, (void*)address);
}

/* Copies the block at `address` and gives its first word; 0 when that cannot be read. A block that
 * reaches into a page that cannot be read ends before that page. */
VERIFIED_ONCE int window_move(struct walk* walk, __u64 address, __u64* value) {
  if (!walk || !value)
    return 0;
  if (address & 7)
    return !bpf_probe_read_user(value, sizeof(*value), (void*)address);
  __u64 bytes = walk->window_next;
  walk->window_bytes = 0;
  walk->window_start = address;
  if (!window_copy(walk, address, bytes)) {
    __u64 left = PAGE_BYTES - (address & (PAGE_BYTES - 1));
    if (left >= bytes || !window_copy(walk, address, left))
      return 0;
    bytes = left;
  }
  if (walk->window_next < WINDOW_BYTES)
    walk->window_next *= 2;
  walk->window_bytes = bytes;
  *value = walk->window[0];
  return 1;
}

static __always_inline bool unwind_read(struct walk* walk, __u64 address, __u64* value) {
  __u64 offset = address - walk->window_start;
  if (likely(offset < walk->window_bytes && !(offset & 7))) {
    __u64 index = offset >> 3;
    barrier_var(index);
    if (index < WINDOW_WORDS) {
      *value = walk->window[index];
      return true;
    }
  }
  return window_move(walk, address, value);
}
