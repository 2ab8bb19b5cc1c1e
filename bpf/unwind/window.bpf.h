/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Reads the target's memory in blocks. */
#pragma once

#include "walk_state.bpf.h"

static __always_inline bool window_copy(struct window* window, __u64 address, __u64 bytes) {
  barrier_var(bytes);
  if (bytes > WINDOW_BYTES)
    return false;
  window->bytes = 0;
  if (bpf_probe_read_user(window->words, (__u32)bytes, (void*)address))
    return false;
  window->start = address;
  window->bytes = bytes;
  return true;
}

/* Copies the block at `address` and gives its first word; 0 when that cannot be read. A block that
 * reaches into a page that cannot be read ends before that page. */
VERIFIED_ONCE int window_move(struct window* window, __u64 address, __u64* value) {
  if (!window || !value)
    return 0;
  if (address & 7)
    return !bpf_probe_read_user(value, sizeof(*value), (void*)address);
  __u64 bytes = window->next;
  if (!window_copy(window, address, bytes)) {
    __u64 left = PAGE_BYTES - (address & (PAGE_BYTES - 1));
    if (left >= bytes || !window_copy(window, address, left))
      return 0;
  }
  if (window->next < WINDOW_BYTES)
    window->next *= 2;
  *value = window->words[0];
  return 1;
}

/* The word at `address`, when it lies in the block. */
static __always_inline bool window_word(const struct window* window, __u64 address, __u64* value) {
  __u64 offset = address - window->start;
  if (unlikely(offset >= window->bytes || (offset & 7)))
    return false;
  __u64 index = offset >> 3;
  barrier_var(index);
  if (index >= WINDOW_WORDS)
    return false;
  *value = window->words[index];
  return true;
}

static __always_inline bool unwind_read(struct walk* walk, __u64 address, __u64* value) {
  return likely(window_word(&walk->window, address, value)) ||
         window_move(&walk->window, address, value);
}
