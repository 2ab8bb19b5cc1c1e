// SPDX-License-Identifier: Apache-2.0
// Three functions and main, for each way to link: static or not, at a fixed address or not, with
// another C library.
#include "unwind_case.h"

NOINLINE void basic_leaf(size_t size) {
  kept = malloc(size);
}

NOINLINE void basic_middle(size_t size) {
  basic_leaf(size);
  NOT_THE_END();
}

NOINLINE void basic_outer(size_t size) {
  char room[300];
  memset(room, (int)size, sizeof(room));
  __asm__ volatile("" ::"r"(room) : "memory");
  basic_middle(size);
  NOT_THE_END();
}

int main(void) {
  expect("basic", 11001, "basic_leaf basic_middle basic_outer " FROM_MAIN);
  begin();
  basic_outer(11001);
  finish();
}
