// SPDX-License-Identifier: Apache-2.0
// A thread deep in a chain of calls, whose callers' pages were taken out of its page tables, as the
// kernel does with what was not used for long: swapped out, or reclaimed to a file. Without swap
// only pages of a file can go, so the stack lies in one in memory.
#define _GNU_SOURCE
#include "unwind_case.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

enum { page = 4096, stack_bytes = 64 * page, room_bytes = 4 * page, rounds = 3 };
enum { parked_size = 14001, again_size = 14101 };

static char* stack;
static pthread_barrier_t is_deep;
static pthread_barrier_t is_parked;
static _Atomic(uintptr_t) deep_at;

#define ROOM()                                                                                     \
  char room[room_bytes];                                                                           \
  __asm__ volatile("" ::"r"(room) : "memory")

NOINLINE void parked_leaf(size_t size) {
  kept = malloc(size);
  NOT_THE_END();
}

// One after the other, with no time for anybody to look in between: of another depth each.
NOINLINE void parked_deeper(size_t size, int depth) {
  if (depth == 0)
    parked_leaf(size);
  else
    parked_deeper(size, depth - 1);
  NOT_THE_END();
}

NOINLINE void parked_inner(void) {
  deep_at = (uintptr_t)__builtin_frame_address(0);
  pthread_barrier_wait(&is_deep);
  pthread_barrier_wait(&is_parked);
  parked_leaf(parked_size);
  for (int i = 0; i < rounds; i++)
    parked_deeper(again_size + (size_t)i, i);
  pthread_barrier_wait(&is_deep);
  pthread_barrier_wait(&is_parked); // until the program ends
}

NOINLINE void parked_middle(void) {
  ROOM();
  parked_inner();
  NOT_THE_END();
}

NOINLINE void parked_outer(void) {
  ROOM();
  parked_middle();
  NOT_THE_END();
}

NOINLINE void* parked_thread(void* nothing) {
  ROOM();
  parked_outer();
  return nothing;
}

static void start_thread(void) {
  const int file = memfd_create("stack", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, stack_bytes))
    fail("memfd");
  stack = mmap(NULL, stack_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  pthread_attr_t attributes;
  pthread_t thread;
  if (stack == MAP_FAILED || pthread_barrier_init(&is_deep, NULL, 2) ||
      pthread_barrier_init(&is_parked, NULL, 2) || pthread_attr_init(&attributes) ||
      pthread_attr_setstack(&attributes, stack, stack_bytes) ||
      pthread_create(&thread, &attributes, parked_thread, NULL))
    fail("no thread");
}

#define DEEPER "parked_leaf parked_deeper"
#define CALLERS "parked_inner parked_middle parked_outer parked_thread " FROM_THREAD

int main(void) {
  expect("page_that_went", parked_size, "parked_leaf " CALLERS);
  expect("shortly_after", again_size, DEEPER "{1} " CALLERS);
  expect("one_deeper", again_size + 1, DEEPER "{2} " CALLERS);
  expect("two_deeper", again_size + 2, DEEPER "{3} " CALLERS);
  begin();
  start_thread();
  pthread_barrier_wait(&is_deep);
  char* outer = (char*)((deep_at | (page - 1)) + 1);
  if (madvise(outer, (size_t)(stack + stack_bytes - outer), MADV_DONTNEED))
    fail("madvise");
  pthread_barrier_wait(&is_parked);
  pthread_barrier_wait(&is_deep);
  finish();
}
