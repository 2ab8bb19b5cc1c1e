// SPDX-License-Identifier: Apache-2.0
// Handlers of signals that allocate: on the interrupted stack and on their own, which lies below or
// above it; while a leaf runs, while the vDSO runs, in one another.
#define _GNU_SOURCE
#include "unwind_case.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/auxv.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>

static volatile sig_atomic_t handled;
static size_t handler_size;

NOINLINE void case_signal_handler_leaf(size_t size) {
  kept = malloc(size);
}

NOINLINE void signal_handler(int number) {
  (void)number;
  case_signal_handler_leaf(handler_size);
  handled = 1;
}

static void on_signal(int number, void (*handler)(int), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_handler = handler;
  action.sa_flags = flags;
  if (sigaction(number, &action, NULL))
    fail("sigaction");
}

static void one_timer(int which, int microseconds) {
  const struct itimerval value = {{0, 0}, {0, microseconds}};
  if (setitimer(which, &value, NULL))
    fail("setitimer");
}

// Spins in a leaf without a frame pointer, whose rbp is a number.
NOINLINE void spinning_leaf(void) {
  register size_t number __asm__("rbp") = 0x1234567;
  while (!handled)
    __asm__ volatile("pause" : "+r"(number));
}

NOINLINE void spinning_caller(void) {
  char room[100];
  __asm__ volatile("" ::"r"(room) : "memory");
  spinning_leaf();
  __asm__ volatile("" ::"r"(room) : "memory");
}

static void handle_while_spinning(size_t size, int flags) {
  handler_size = size;
  handled = 0;
  on_signal(SIGALRM, signal_handler, flags);
  one_timer(ITIMER_REAL, 3000);
  spinning_caller();
}

NOINLINE void case_handler(size_t size) {
  handle_while_spinning(size, 0);
  NOT_THE_END();
}

// ---- alternate stacks ---------------------------------------------------------------------------

static void set_alternate_stack(void* low, size_t size) {
  stack_t stack;
  memset(&stack, 0, sizeof(stack));
  stack.ss_sp = low;
  stack.ss_size = size;
  stack.ss_flags = low ? 0 : SS_DISABLE;
  if (sigaltstack(&stack, NULL))
    fail("sigaltstack");
}

NOINLINE void case_stack_below(size_t size) { // in the program's data, below the main stack
  static char below[65536];
  set_alternate_stack(below, sizeof(below));
  handle_while_spinning(size, SA_ONSTACK);
  set_alternate_stack(NULL, 0);
}

struct above {
  char* room;
  size_t size;
  size_t block;
};

NOINLINE void* stack_above_thread(void* argument) { // in main's stack, above this thread's
  struct above* above = argument;
  set_alternate_stack(above->room, above->size);
  handler_size = above->block;
  handled = 0;
  on_signal(SIGUSR1, signal_handler, SA_ONSTACK);
  pthread_kill(pthread_self(), SIGUSR1);
  set_alternate_stack(NULL, 0);
  return NULL;
}

static void run_stack_above(size_t size) {
  char room[65536];
  struct above above = {room, sizeof(room), size};
  pthread_t thread;
  if (pthread_create(&thread, NULL, stack_above_thread, &above))
    fail("pthread_create");
  pthread_join(thread, NULL);
}

// ---- a handler in a handler ---------------------------------------------------------------------

NOINLINE void outer_handler(int number) {
  (void)number;
  raise(SIGUSR2);
  NOT_THE_END();
}

NOINLINE void case_nested(size_t size) {
  static char stack[65536];
  set_alternate_stack(stack, sizeof(stack));
  handler_size = size;
  on_signal(SIGUSR1, outer_handler, SA_ONSTACK);
  on_signal(SIGUSR2, signal_handler, 0);
  raise(SIGUSR1);
  set_alternate_stack(NULL, 0);
}

// ---- in the vDSO --------------------------------------------------------------------------------

static uintptr_t vdso_start;

NOINLINE void vdso_handler(int number, siginfo_t* info, void* context) {
  const uintptr_t pc = (uintptr_t)((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP];
  (void)number;
  (void)info;
  if (handled || pc - vdso_start >= 8192) // interrupted elsewhere: the next time
    return;
  kept = malloc(handler_size);
  handled = 1;
}

NOINLINE void spinning_on_the_clock(void) {
  struct timespec now;
  const struct itimerval every = {{0, 500}, {0, 500}};
  const struct itimerval never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &every, NULL);
  while (!handled)
    clock_gettime(CLOCK_MONOTONIC, &now);
  setitimer(ITIMER_REAL, &never, NULL);
}

NOINLINE void case_vdso(size_t size) {
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_sigaction = vdso_handler;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(SIGALRM, &action, NULL))
    fail("sigaction");
  vdso_start = getauxval(AT_SYSINFO_EHDR);
  handler_size = size;
  handled = 0;
  spinning_on_the_clock();
  NOT_THE_END();
}

#define HANDLED "case_signal_handler_leaf signal_handler <libc.so.6> "
static const struct unwind_case cases[] = {
    {"handler", 15001, case_handler,
     HANDLED "spinning_leaf spinning_caller case_handler " FROM_MAIN},
    {"stack-below", 15002, case_stack_below,
     HANDLED "spinning_leaf spinning_caller case_stack_below " FROM_MAIN},
    {"nested", 15003, case_nested, HANDLED "outer_handler <libc.so.6> case_nested " FROM_MAIN},
    {"vdso", 15004, case_vdso,
     "vdso_handler <libc.so.6> <[vdso]> <libc.so.6>* spinning_on_the_clock case_vdso " FROM_MAIN},
};
enum { above_size = 15005 };

int main(void) {
  const int vdso = getauxval(AT_SYSINFO_EHDR) != 0;
  const size_t count = COUNT_OF(cases) - (vdso ? 0 : 1);
  expect_all(cases, count);
  expect("stack-above", above_size, HANDLED "stack_above_thread " FROM_THREAD);
  begin();
  for (size_t i = 0; i < count; i++)
    cases[i].run(cases[i].size);
  run_stack_above(above_size);
  finish();
}
