// SPDX-License-Identifier: Apache-2.0
// Takes and gives back small blocks so often that they are followed in windows, and keeps large
// ones, which the C library maps: large_among_churn.
//
// Says "ready", waits for a line, keeps blocks for 6 s, says "kept BYTES", and only churns from
// then on.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { large_bytes = 400000, large_blocks = 40, small_slots = 500, turns_per_pause = 50 };

static void* small_blocks[small_slots];

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void churn(void) {
  static unsigned turn;
  for (int i = 0; i < turns_per_pause; i++, turn++) {
    free(small_blocks[turn % small_slots]);
    small_blocks[turn % small_slots] = malloc(16 + turn % 997);
  }
  usleep(1000);
}

static void keep_large(void) {
  void* block = malloc(large_bytes);
  if (!block)
    abort();
  memset(block, 1, large_bytes);
}

int main(void) {
  const double keeping_seconds = 6;
  puts("ready");
  fflush(stdout);
  if (getchar() == EOF)
    return 1;
  const double begin = now();
  for (int kept = 0; kept < large_blocks;) {
    churn();
    if (now() - begin >= keeping_seconds * kept / large_blocks) {
      keep_large();
      kept++;
    }
  }
  printf("kept %d\n", large_bytes * large_blocks);
  fflush(stdout);
  for (;;)
    churn();
}
