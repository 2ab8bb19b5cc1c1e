// SPDX-License-Identifier: Apache-2.0
// Allocates in a function that the C library calls: its stacks go through the library's own frames.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

volatile void* last_block;

static int compare(const void* a, const void* b) {
  last_block = malloc(3000);
  return *(const int*)a - *(const int*)b;
}

__attribute__((noinline)) void sort_and_allocate(void) {
  int values[8] = {5, 3, 8, 1, 9, 2, 7, 4};
  qsort(values, 8, sizeof(*values), compare);
  __asm__ volatile("" : : "r"(values) : "memory");
}

int main(void) {
  puts("ready");
  fflush(stdout);
  for (;;) {
    sort_and_allocate();
    usleep(10000);
  }
}
