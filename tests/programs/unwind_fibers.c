// SPDX-License-Identifier: Apache-2.0
// Coroutines with stacks of their own: by swapcontext and by a switch in assembly, on the heap and
// in a mapping.
#define _GNU_SOURCE
#include "unwind_case.h"

#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

void fiber_switch(void** save, void* load);
void fiber_start(void);
void fiber_start_bare(void);
extern const char fiber_finish_bare[];

enum { stack_size = 65536 };

static size_t block_size;

NOINLINE void fiber_leaf(size_t size) {
  kept = malloc(size);
}

// ---- swapcontext --------------------------------------------------------------------------------

static ucontext_t main_context;
static ucontext_t first_context;
static ucontext_t second_context;
static char first_stack[stack_size];

NOINLINE void context_body(void) {
  fiber_leaf(block_size);
  NOT_THE_END();
}

NOINLINE void case_context(size_t size) {
  block_size = size;
  getcontext(&first_context);
  first_context.uc_stack.ss_sp = first_stack;
  first_context.uc_stack.ss_size = sizeof(first_stack);
  first_context.uc_link = &main_context;
  makecontext(&first_context, context_body, 0);
  if (swapcontext(&main_context, &first_context))
    fail("swapcontext");
}

// It is left in the middle, and gone on with from another function.
NOINLINE void yielding_body(void) {
  if (swapcontext(&second_context, &main_context))
    fail("swapcontext");
  fiber_leaf(block_size);
  NOT_THE_END();
}

NOINLINE void case_context_resumed(size_t size) {
  char* stack = malloc(stack_size);
  getcontext(&second_context);
  second_context.uc_stack.ss_sp = stack;
  second_context.uc_stack.ss_size = stack_size;
  second_context.uc_link = &main_context;
  makecontext(&second_context, yielding_body, 0);
  if (swapcontext(&main_context, &second_context))
    fail("swapcontext");
  block_size = size;
  if (swapcontext(&main_context, &second_context))
    fail("swapcontext");
  free(stack);
}

// The main stack, after it was away.
NOINLINE void case_after_context(size_t size) {
  fiber_leaf(size);
  NOT_THE_END();
}

NOINLINE void case_after_fiber(size_t size) {
  fiber_leaf(size);
  NOT_THE_END();
}

// ---- our own switch -----------------------------------------------------------------------------

static void* main_fiber;
static void* other_fiber;

NOINLINE void fiber_inner(void) {
  fiber_leaf(block_size);
  NOT_THE_END();
}

NOINLINE void fiber_body(void) {
  fiber_inner();
  fiber_switch(&other_fiber, main_fiber);
  fail("a fiber that is done");
}

// A stack that goes on at `start` with these in rbp, rbx and r12.
static void* new_fiber(void (*start)(void), const void* frame_pointer) {
  char* low = mmap(NULL, stack_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (low == MAP_FAILED)
    fail("mmap");
  uintptr_t* top = (uintptr_t*)(low + stack_size - 64);
  *--top = (uintptr_t)start;
  *--top = (uintptr_t)frame_pointer;
  *--top = (uintptr_t)fiber_body;
  *--top = 0;
  return top;
}

NOINLINE void case_fiber(size_t size) {
  block_size = size;
  fiber_switch(&main_fiber, new_fiber(fiber_start, NULL));
  NOT_THE_END();
}

NOINLINE void case_fiber_bare(size_t size) {
  block_size = size;
  fiber_switch(&main_fiber, new_fiber(fiber_start_bare, fiber_finish_bare));
  NOT_THE_END();
}

// A context returns to the first byte of a function of libc: no row covers the byte before it, and
// what rbp is there nobody says.
static const struct unwind_case cases[] = {
    {"context", 20001, case_context, "fiber_leaf context_body <libc.so.6>{1} [stops]"},
    {"context-resumed", 20002, case_context_resumed,
     "fiber_leaf yielding_body <libc.so.6>{1} [stops]"},
    {"after-context", 20003, case_after_context, "fiber_leaf case_after_context " FROM_MAIN},
    {"fiber", 20004, case_fiber, "fiber_leaf fiber_inner fiber_body fiber_start [end]"},
    {"fiber-bare", 20005, case_fiber_bare, "fiber_leaf fiber_inner fiber_body [stops]"},
    {"after-fiber", 20006, case_after_fiber, "fiber_leaf case_after_fiber " FROM_MAIN},
};

int main(void) {
  expect_all(cases, COUNT_OF(cases));
  begin();
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    cases[i].run(cases[i].size);
  finish();
}
