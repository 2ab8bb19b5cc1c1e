/* SPDX-License-Identifier: Apache-2.0 */
/* One of many processes: `fleet_member BYTES_PER_SECOND` churns a little, and leaks so much, in
 * blocks of 1,000 bytes. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TURNS_PER_SECOND 20
#define BLOCK_BYTES 1000
#define CHURNED_BLOCKS 20

__attribute__((noinline)) static void remember(void) {
  void* block = malloc(BLOCK_BYTES);
  if (block)
    memset(block, 1, BLOCK_BYTES);
  __asm__ volatile("" : : "r"(block) : "memory");
}

__attribute__((noinline)) static void churn(void) {
  for (int i = 0; i < CHURNED_BLOCKS; i++) {
    void* block = malloc((size_t)(i + 1) * 100);
    __asm__ volatile("" : : "r"(block) : "memory");
    free(block);
  }
}

int main(int argc, char** argv) {
  const struct timespec pause = {0, 1000000000 / TURNS_PER_SECOND};
  double rate = argc > 1 ? atof(argv[1]) : 0;
  double owed = 0;
  for (;;) {
    churn();
    for (owed += rate / TURNS_PER_SECOND; owed >= BLOCK_BYTES; owed -= BLOCK_BYTES)
      remember();
    nanosleep(&pause, 0);
  }
}
