// SPDX-License-Identifier: Apache-2.0
// Touches memory, keeps some of it and gives most back: touches_pages [MEGABYTES]
//
// Says "ready", waits for a line; then the case runs, and it says "kept BYTES" (what keep_pages
// took and has) and "done", and waits for another line.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  megabyte = 1 << 20,
  // Beyond what malloc lets its threshold for mappings grow to: such a block is always unmapped.
  large = 40 * megabyte,
  large_every = 20,
};

static void* kept;

static void* keep_pages(void) {
  char* block = malloc(megabyte); // of a mapping of its own
  if (!block)
    _exit(9);
  memset(block, 1, megabyte);
  memcpy(block, &kept, sizeof(kept)); // linked, so that it stays reachable
  return kept = block;
}

static void map_and_unmap(void) {
  char* block = mmap(NULL, megabyte, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED)
    _exit(9);
  memset(block, 1, megabyte);
  munmap(block, megabyte);
}

static void take_and_free(void) {
  char* block = malloc(large);
  if (!block)
    _exit(9);
  memset(block, 1, large);
  free(block);
}

/// What is kept is written anew while a child has it too: these pages are no new ones.
static void write_after_fork(void) {
  int ends[2];
  if (pipe(ends))
    _exit(9);
  pid_t child = fork();
  if (child == 0) {
    char nothing;
    close(ends[1]);
    _exit(read(ends[0], &nothing, 1) != 0);
  }
  for (char* block = kept; block;) {
    char* next;
    memcpy(&next, block, sizeof(next));
    memset(block + sizeof(next), 2, megabyte - sizeof(next));
    block = next;
  }
  close(ends[0]);
  close(ends[1]);
  waitpid(child, NULL, 0);
}

int main(int count, char** arguments) {
  int megabytes = count > 1 ? atoi(arguments[1]) : 100;
  char line[16];
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0); // else a page fault may bring 2 MB
  setvbuf(stdout, NULL, _IOLBF, 0);
  puts("ready");
  if (!fgets(line, sizeof(line), stdin))
    return 1;
  for (int i = 0; i < megabytes; i++) {
    keep_pages();
    map_and_unmap();
    if (i % large_every == 0)
      take_and_free();
  }
  write_after_fork();
  printf("kept %lld\n", (long long)megabytes * megabyte);
  puts("done");
  return !fgets(line, sizeof(line), stdin);
}
