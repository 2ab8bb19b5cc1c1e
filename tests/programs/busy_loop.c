// SPDX-License-Identifier: Apache-2.0
// Takes and gives back without end, as fast as it can, and keeps one block in some thousand.
//
//   busy_loop [FILE]
//
// FILE has, at its start, how many rounds were done and the CPU time they took, in nanoseconds.
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { kept = 4096, rounds_at_once = 1000 };

struct speed {
  uint64_t rounds;
  uint64_t cpu_ns;
};

static uint64_t cpu_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static struct speed* shared_speed(const char* path) {
  static struct speed own;
  if (!path)
    return &own;
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, sizeof(struct speed)) != 0)
    return NULL;
  void* page = mmap(NULL, sizeof(struct speed), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return page == MAP_FAILED ? NULL : page;
}

int main(int argc, char** argv) {
  static void* blocks[kept];
  struct speed* speed = shared_speed(argc > 1 ? argv[1] : NULL);
  if (!speed)
    return 1;
  printf("ready %d\n", getpid());
  fflush(stdout);
  // For a reader that waits for it: there is nothing more to come.
  printf("done\n");
  fflush(stdout);
  for (uint64_t at = 0;; at++) {
    for (int i = 0; i < rounds_at_once; i++)
      free(malloc((size_t)(16 + i % 500)));
    free(blocks[at % kept]);
    blocks[at % kept] = malloc(100);
    speed->rounds += rounds_at_once;
    speed->cpu_ns = cpu_ns();
  }
}
