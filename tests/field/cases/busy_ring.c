// SPDX-License-Identifier: Apache-2.0
// Kind: much comes and goes, by the same functions that would be blamed for a leak; nothing leaks.
// Build: gcc -O2 -g busy_ring.c -o busy_ring
// Run: ./busy_ring
// True: a ring of 2,000 blocks is full from the start; each step replaces one; nothing leaks.
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RING = 2000 };

static char* ring[RING];

__attribute__((noinline)) static char* take(size_t size) {
  char* block = malloc(size);
  if (!block)
    abort();
  memset(block, 1, size);
  return block;
}

__attribute__((noinline)) static void replace(unsigned number) {
  free(ring[number % RING]);
  ring[number % RING] = take(1000 + number * 7919U % 500);
}

int main(void) {
  for (unsigned number = 0;; number++) {
    replace(number);
    if (number > RING && number % 10 == 0)
      usleep(2000);
  }
}
