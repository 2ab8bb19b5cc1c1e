// SPDX-License-Identifier: Apache-2.0
// A heap that gets fragmented, and leaks nothing: fragmented_heap.
//
// Says "ready" when it holds 200,000 small blocks. From then on it gives back every other of them,
// and takes as many bytes in larger blocks: no hole is large enough for one. Temporary blocks lie
// between these, and get larger all the time, so that they fit into no hole of earlier ones,
// either. What it holds stays the same, and the heap grows by 15 MB a minute for two minutes. Ends
// when standard input is closed.
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  small_bytes = 200,
  small_blocks = 200000,
  large_bytes = 4100,
  at_once = 20,
  least_temporary = 240,
  steps = 235,
  step_ms = 500,
};

static char* small_of[small_blocks];
static char* large_of[steps * at_once];

static char* filled(size_t size) {
  char* block = malloc(size);
  if (!block)
    abort();
  memset(block, 1, size);
  return block;
}

static void give_back_small(size_t bytes) {
  static size_t next;
  for (size_t given = 0; given < bytes && next < small_blocks; given += small_bytes, next += 2)
    free(small_of[next]);
}

static char* take_large(void) {
  return filled(large_bytes);
}

static void work(size_t temporary_bytes) {
  static size_t count;
  char* temporary[at_once];
  for (int i = 0; i < at_once; i++) {
    temporary[i] = filled(temporary_bytes);
    large_of[count++] = take_large();
  }
  for (int i = 0; i < at_once; i++)
    free(temporary[i]);
  give_back_small((size_t)large_bytes * at_once);
}

int main(void) {
  for (int i = 0; i < small_blocks; i++)
    small_of[i] = filled(small_bytes);
  puts("ready");
  fflush(stdout);
  struct pollfd input = {.fd = 0, .events = POLLIN};
  for (size_t step = 0; poll(&input, 1, step_ms) == 0; step++)
    if (step < steps)
      work(least_temporary + 16 * step);
  return 0;
}
