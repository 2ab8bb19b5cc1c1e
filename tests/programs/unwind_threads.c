// SPDX-License-Identifier: Apache-2.0
// Threads: where their stacks end, and two on one CPU that must not get into each other's.
#define _GNU_SOURCE
#include "unwind_case.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <threads.h>

enum { thread_size = 13001, main_size = 13002, c11_size = 13003 };
enum { first_size = 13011, second_size = 13012, rounds = 30000 };

NOINLINE void* thread_first_function(void* size) {
  kept = malloc((size_t)(uintptr_t)size);
  return NULL;
}

NOINLINE int c11_thread_function(void* size) {
  kept = malloc((size_t)(uintptr_t)size);
  return 0;
}

// Shallow and deep, so that remains of one stack would show in the other.
NOINLINE void first_leaf(size_t size, int round) {
  void* block = malloc(size);
  if (round + 1 == rounds)
    kept = block;
  else
    free(block);
}

NOINLINE void first_caller(size_t size, int round) {
  first_leaf(size, round);
  NOT_THE_END();
}

NOINLINE void second_leaf(size_t size, int round) {
  void* block = malloc(size);
  if (round + 1 == rounds)
    kept = block;
  else
    free(block);
}

NOINLINE int second_deep(size_t size, int round, int depth) {
  char room[32];
  __asm__ volatile("" ::"r"(room) : "memory");
  if (depth == 1)
    second_leaf(size, round);
  else
    depth += second_deep(size, round, depth - 1);
  __asm__ volatile("" ::"r"(room) : "memory");
  return depth;
}

static pthread_barrier_t both_there;

static void go_to_one_cpu(void) {
  cpu_set_t allowed;
  cpu_set_t one;
  if (sched_getaffinity(0, sizeof(allowed), &allowed))
    fail("sched_getaffinity");
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &allowed)) {
      CPU_SET(cpu, &one);
      break;
    }
  if (sched_setaffinity(0, sizeof(one), &one))
    fail("sched_setaffinity");
  pthread_barrier_wait(&both_there);
}

NOINLINE void* first_thread(void* unused) {
  go_to_one_cpu();
  for (int i = 0; i < rounds; i++)
    first_caller(first_size, i);
  return unused;
}

NOINLINE void* second_thread(void* unused) {
  go_to_one_cpu();
  for (int i = 0; i < rounds; i++)
    (void)second_deep(second_size, i, 20);
  return unused;
}

static void run_thread(void* (*function)(void*), void* argument) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, function, argument))
    fail("pthread_create");
  pthread_join(thread, NULL);
}

static void run_c11_thread(void) {
  thrd_t thread;
  if (thrd_create(&thread, c11_thread_function, (void*)(uintptr_t)c11_size) != thrd_success)
    fail("thrd_create");
  thrd_join(thread, NULL);
}

static void run_two_on_one_cpu(void) {
  pthread_t first;
  pthread_t second;
  pthread_barrier_init(&both_there, NULL, 2);
  if (pthread_create(&first, NULL, first_thread, NULL) ||
      pthread_create(&second, NULL, second_thread, NULL))
    fail("pthread_create");
  pthread_join(first, NULL);
  pthread_join(second, NULL);
}

int main(void) {
  expect("thread-first", thread_size, "thread_first_function " FROM_THREAD);
  expect("thread-main", main_size, FROM_MAIN);
  expect("thread-c11", c11_size, "c11_thread_function " FROM_THREAD);
  expect("one-cpu-first", first_size, "first_leaf first_caller first_thread " FROM_THREAD);
  expect("one-cpu-second", second_size, "second_leaf second_deep{20} second_thread " FROM_THREAD);
  begin();
  run_thread(thread_first_function, (void*)(uintptr_t)thread_size);
  kept = malloc(main_size);
  run_c11_thread();
  run_two_on_one_cpu();
  finish();
}
