// SPDX-License-Identifier: Apache-2.0
// Frames of every make that compilers produce.
#include "unwind_case.h"

#include <alloca.h>
#include <pthread.h>
#include <search.h>
#include <sys/mman.h>

NOINLINE void use(void* memory) {
  __asm__ volatile("" ::"r"(memory) : "memory");
}

NOINLINE void frames_leaf(size_t size) {
  kept = malloc(size);
}

// ---- sizes and shapes ---------------------------------------------------------------------------

NOINLINE void case_large_frame(size_t size) {
  char room[100000];
  use(room);
  frames_leaf(size);
  use(room);
}

NOINLINE void case_huge_frame(size_t size) {
  char room[3 << 20];
  use(room);
  frames_leaf(size);
  use(room);
}

NOINLINE void case_alloca(size_t size) {
  char* room = alloca(size / 2);
  use(room);
  frames_leaf(size);
  use(room);
}

NOINLINE void case_variable_array(size_t size) {
  int room[size / 8];
  use(room);
  frames_leaf(size);
  use(room);
}

// The frame pointer is aligned away from the caller's: the CFA is *(rbp - 8).
NOINLINE void case_realigned(size_t size) {
  _Alignas(128) char room[256];
  use(room);
  frames_leaf(size);
  use(room);
}

NOINLINE void case_realigned_alloca(size_t size) {
  _Alignas(64) char room[128];
  char* more = alloca(size / 3);
  use(room);
  use(more);
  frames_leaf(size);
  use(room);
}

// Every callee-saved register is pushed, rbp among them, and used for something else.
NOINLINE void case_registers(size_t size) {
  long a = (long)size, b = a + 1, c = a + 2, d = a + 3, e = a + 4, f = a + 5;
  __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
  frames_leaf(size);
  __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
}

// rbp holds a number that looks like a frame pointer and is none.
NOINLINE void case_false_frame_pointer(size_t size) {
  size_t room[8];
  memset(room, 0x41, sizeof(room));
  use(room);
  register size_t* pointer __asm__("rbp") = room;
  __asm__ volatile("" : "+r"(pointer));
  frames_leaf(size);
  __asm__ volatile("" : "+r"(pointer));
}

__attribute__((optimize("no-omit-frame-pointer"))) NOINLINE void frames_with_pointer(size_t size) {
  frames_leaf(size);
  NOT_THE_END();
}

NOINLINE void case_some_frame_pointers(size_t size) {
  char room[40];
  use(room);
  frames_with_pointer(size);
  use(room);
}

// ---- code in two pieces, code that is left before its callee returns ----------------------------

__attribute__((cold, noinline, noclone)) void frames_cold_leaf(size_t size) {
  kept = malloc(size);
}

NOINLINE int case_cold_body(size_t size, const int* values) {
  int sum = 0;
  for (int i = 0; i < 8; i++) {
    if (__builtin_expect(values[i] < 0, 0)) { // this goes to case_cold_body.cold
      frames_cold_leaf(size);
      sum -= values[i];
    }
    sum += values[i];
  }
  return sum;
}

NOINLINE void case_cold(size_t size) {
  int values[8] = {1, 2, 3, 4, -5, 6, 7, 8};
  use(values);
  values[0] = case_cold_body(size, values);
  use(values);
}

NOINLINE void frames_after_tail_call(size_t size) {
  frames_leaf(size);
  NOT_THE_END();
}

NOINLINE void frames_gone(size_t size) { // its frame is given up before the last call
  use(NULL);
  frames_after_tail_call(size);
}

NOINLINE void case_tail_call(size_t size) {
  frames_gone(size);
  NOT_THE_END();
}

// ---- depth --------------------------------------------------------------------------------------

NOINLINE int recursion(int depth, size_t size) {
  char room[24];
  use(room);
  if (depth == 1)
    frames_leaf(size);
  else
    depth += recursion(depth - 1, size);
  use(room);
  return depth;
}

NOINLINE void case_recursion_100(size_t size) {
  (void)recursion(100, size);
  NOT_THE_END();
}
NOINLINE void case_recursion_128(size_t size) {
  (void)recursion(128, size);
  NOT_THE_END();
}
// Of its own, or its end would be the same stack as the one before.
NOINLINE int recursion_further(int depth, size_t size) {
  if (depth == 1)
    frames_leaf(size);
  else
    depth += recursion_further(depth - 1, size);
  NOT_THE_END();
  return depth;
}

NOINLINE void case_recursion_1000(size_t size) {
  (void)recursion_further(1000, size);
  NOT_THE_END();
}

// ---- through libc and back ----------------------------------------------------------------------

static size_t callback_size;

NOINLINE int compare_once(const void* left, const void* right) {
  const size_t size = callback_size;
  callback_size = 0;
  if (size)
    frames_leaf(size);
  return *(const int*)left - *(const int*)right;
}

NOINLINE void case_qsort(size_t size) {
  int values[] = {5, 3, 9, 1, 7, 4, 2, 8};
  callback_size = size;
  qsort(values, COUNT_OF(values), sizeof(values[0]), compare_once);
  use(values);
}

NOINLINE void case_bsearch(size_t size) { // a leaf of libc, or inlined
  int values[] = {1, 2, 3, 4};
  int wanted = 3;
  callback_size = size;
  use(bsearch(&wanted, values, COUNT_OF(values), sizeof(values[0]), compare_once));
  NOT_THE_END();
}

NOINLINE void once_body(void) {
  frames_leaf(callback_size);
  NOT_THE_END();
}

NOINLINE void case_once(size_t size) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  callback_size = size;
  pthread_once(&once, once_body);
  NOT_THE_END();
}

// ---- code made at run time, that nothing but frame pointers tells of ----------------------------

typedef void jit_function(void (*callee)(size_t), size_t size);
static jit_function* jit_code;

static void make_jit_code(void) {
  static const unsigned char code[] = {
      0x55,             // push %rbp
      0x48, 0x89, 0xe5, // mov %rsp, %rbp
      0x48, 0x89, 0xf8, // mov %rdi, %rax
      0x48, 0x89, 0xf7, // mov %rsi, %rdi
      0xff, 0xd0,       // call *%rax
      0x5d,             // pop %rbp
      0xc3,             // ret
  };
  void* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED)
    fail("mmap");
  memcpy(page, code, sizeof(code));
  if (mprotect(page, 4096, PROT_READ | PROT_EXEC))
    fail("mprotect");
  jit_code = (jit_function*)page;
}

NOINLINE void jit_callee(size_t size) {
  long a = (long)size, b = a + 1, c = a + 2, d = a + 3, e = a + 4, f = a + 5; // rbp too
  __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
  frames_leaf(size);
  __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
}

NOINLINE void case_jit(size_t size) {
  char room[500];
  use(room);
  jit_code(jit_callee, size);
  use(room);
}

NOINLINE void jit_again(size_t size) {
  char room[72];
  use(room);
  jit_code(jit_callee, size);
  use(room);
}

NOINLINE void case_jit_twice(size_t size) {
  jit_code(jit_again, size);
  NOT_THE_END();
}

static const struct unwind_case cases[] = {
    {"large-frame", 12001, case_large_frame, "frames_leaf case_large_frame " FROM_MAIN},
    {"huge-frame", 12002, case_huge_frame, "frames_leaf case_huge_frame " FROM_MAIN},
    {"alloca", 12003, case_alloca, "frames_leaf case_alloca " FROM_MAIN},
    {"variable-array", 12004, case_variable_array, "frames_leaf case_variable_array " FROM_MAIN},
    {"realigned", 12005, case_realigned, "frames_leaf case_realigned " FROM_MAIN},
    {"realigned-alloca", 12006, case_realigned_alloca,
     "frames_leaf case_realigned_alloca " FROM_MAIN},
    {"registers", 12007, case_registers, "frames_leaf case_registers " FROM_MAIN},
    {"false-frame-pointer", 12008, case_false_frame_pointer,
     "frames_leaf case_false_frame_pointer " FROM_MAIN},
    {"some-frame-pointers", 12009, case_some_frame_pointers,
     "frames_leaf frames_with_pointer case_some_frame_pointers " FROM_MAIN},
    {"cold", 12010, case_cold, "frames_cold_leaf case_cold_body case_cold " FROM_MAIN},
    {"tail-call", 12011, case_tail_call,
     "frames_leaf frames_after_tail_call case_tail_call " FROM_MAIN},
    {"recursion-100", 12012, case_recursion_100,
     "frames_leaf recursion{100} case_recursion_100 " FROM_MAIN},
    {"recursion-128", 12013, case_recursion_128, "frames_leaf recursion{126} [truncated]"},
    {"recursion-1000", 12014, case_recursion_1000,
     "frames_leaf recursion_further{126} [truncated]"},
    {"qsort", 12015, case_qsort, "frames_leaf compare_once <libc.so.6> case_qsort " FROM_MAIN},
    {"bsearch", 12016, case_bsearch,
     "frames_leaf compare_once <libc.so.6>* case_bsearch " FROM_MAIN},
    {"once", 12017, case_once, "frames_leaf once_body <libc.so.6> case_once " FROM_MAIN},
    {"jit", 12018, case_jit, "frames_leaf jit_callee ? case_jit " FROM_MAIN},
    {"jit-twice", 12019, case_jit_twice,
     "frames_leaf jit_callee ? jit_again ? case_jit_twice " FROM_MAIN},
};

int main(void) {
  make_jit_code();
  expect_all(cases, COUNT_OF(cases));
  begin();
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    cases[i].run(cases[i].size);
  finish();
}
