// SPDX-License-Identifier: Apache-2.0
// Built twice, as unwind_plugin_a.so and unwind_plugin_b.so: of one size, with different code.
#include "unwind_case.h"

#define JOIN(a, b) JOIN_NOW(a, b)
#define JOIN_NOW(a, b) a##_##b
#define NAMED(name) JOIN(PLUGIN, name)

NOINLINE void NAMED(constructor_leaf)(size_t size) {
  kept = malloc(size);
}

__attribute__((constructor)) NOINLINE void NAMED(constructor)(void) {
  char room[PLUGIN_ROOM];
  __asm__ volatile("" ::"r"(room) : "memory");
  const char* size = getenv("UNWIND_CONSTRUCTOR_SIZE");
  if (size)
    NAMED(constructor_leaf)((size_t)atol(size));
  __asm__ volatile("" ::"r"(room) : "memory");
}

NOINLINE void NAMED(leaf)(size_t size) {
  char room[2 * PLUGIN_ROOM]; // so that the other's rules do not fit this one's code
  __asm__ volatile("" ::"r"(room) : "memory");
  kept = malloc(size);
  __asm__ volatile("" ::"r"(room) : "memory");
}

void plugin_leak(size_t size) {
  char room[PLUGIN_ROOM];
  __asm__ volatile("" ::"r"(room) : "memory");
  NAMED(leaf)(size);
  __asm__ volatile("" ::"r"(room) : "memory");
}
