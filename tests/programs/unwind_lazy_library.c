// SPDX-License-Identifier: Apache-2.0
// A library whose functions the dynamic linker binds when they are first called.
#include "unwind_case.h"

size_t lazy_size; // of the block that the choice below takes

static int chosen(void) {
  return 1;
}

// The dynamic linker calls this to bind lazy_chosen: in the middle of the first call of it.
static NOINLINE int (*lazy_choice(void))(void) {
  if (lazy_size)
    kept = malloc(lazy_size);
  return chosen;
}

int lazy_chosen(void) __attribute__((ifunc("lazy_choice")));

NOINLINE void lazy_leaf(size_t size) {
  kept = malloc(size);
}

NOINLINE void lazy_function(size_t size) {
  lazy_leaf(size); // through the library's own linkage table
  NOT_THE_END();
}

static __thread char lazy_large[16384];

NOINLINE void lazy_touch_thread_local(size_t size) {
  lazy_large[size % sizeof(lazy_large)] = 1;
  NOT_THE_END();
}
