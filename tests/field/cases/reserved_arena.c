// SPDX-License-Identifier: Apache-2.0
// Kind: memory grows that no allocation accounts for, and the function to blame ends in a call.
// Build: gcc -O2 -g reserved_arena.c -o reserved_arena
// Run: ./reserved_arena
// Culprit: remember_visit
// True: remember_visit keeps 4,000 bytes 60 times a second, 13.7 MB/min, in 4 GB that were mapped
// at the start; answer takes by the same function, and gives back at once.
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define OUT_OF_LINE __attribute__((noinline))

struct arena {
  char* begin;
  size_t used;
};

static struct arena visits;
static struct arena request;

static int reserve(struct arena* arena) {
  const size_t bytes = (size_t)4 << 30;
  arena->begin =
      mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return arena->begin == MAP_FAILED;
}

OUT_OF_LINE static void* take(struct arena* arena, size_t size) {
  void* block = arena->begin + arena->used;
  arena->used += size;
  return memset(block, 1, size);
}

OUT_OF_LINE static void answer(void) {
  for (int i = 0; i < 200; i++)
    take(&request, 2000);
  madvise(request.begin, request.used, MADV_DONTNEED);
  request.used = 0;
}

OUT_OF_LINE static void* remember_visit(void) {
  return take(&visits, 4000); // LEAK
}

int main(void) {
  if (reserve(&visits) || reserve(&request))
    return 1;
  for (;;) {
    answer();
    remember_visit();
    usleep(16667);
  }
}
