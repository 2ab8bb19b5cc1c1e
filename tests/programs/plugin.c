// SPDX-License-Identifier: Apache-2.0
// A library that is opened late, leaks, and may be closed again at once.
#include <stdlib.h>

__attribute__((noinline)) void plugin_leak(void) {
  void* volatile block = malloc(12345);
  (void)block;
}

__attribute__((noinline)) void plugin_use(void) {
  void* volatile block = malloc(321);
  free(block);
}
