// SPDX-License-Identifier: Apache-2.0
// Drives the functions of unwind_asm.S.
#define _GNU_SOURCE
#include "unwind_case.h"

#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

void asm_plt_past_push(size_t size);
void asm_plt_caller(size_t size);
void asm_cfa_at_152(size_t size);
void asm_cfa_at_544(size_t size);
void asm_cfa_rax(size_t size);
void asm_cfa_rdi(size_t size);
void asm_cfa_r8(size_t size);
void asm_cfa_r10(size_t size);
void asm_cfa_r11(size_t size);
void asm_cfa_rbx(size_t size);
void asm_ends_in_call(size_t size);
void asm_trap_at_start(size_t size);
void asm_undefined_return(size_t size);
void asm_no_tables(size_t size);
void asm_zero_frame(size_t size);
void asm_step_function(void);
void asm_step_plt(void);
extern const char asm_step_function_over[];
extern const char asm_step_plt_over[];

NOINLINE void asm_leaf(size_t size) {
  kept = malloc(size);
}

// ---- calls --------------------------------------------------------------------------------------

static jmp_buf back;

NOINLINE void asm_leaf_that_jumps(size_t size) {
  kept = malloc(size);
  longjmp(back, 1);
}

NOINLINE void case_ends_in_call(size_t size) {
  if (setjmp(back) == 0)
    asm_ends_in_call(size);
}

#define CASE(name, function)                                                                       \
  NOINLINE void name(size_t size) {                                                                \
    function(size);                                                                                \
    NOT_THE_END();                                                                                 \
  }
CASE(case_plt_past_push, asm_plt_past_push)
CASE(case_plt_before_push, asm_plt_caller)
CASE(case_cfa_at_152, asm_cfa_at_152)
CASE(case_cfa_at_544, asm_cfa_at_544)
CASE(case_undefined_return, asm_undefined_return)
CASE(case_no_tables, asm_no_tables)
CASE(case_zero_frame, asm_zero_frame)
CASE(case_cfa_rbx, asm_cfa_rbx)

// ---- an illegal instruction where the state is odd ----------------------------------------------

static size_t trap_size;

NOINLINE void trap_handler(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)info;
  ((ucontext_t*)context)->uc_mcontext.gregs[REG_RIP] += 2; // ud2
  kept = malloc(trap_size);
}

#define TRAPPED(name, function)                                                                    \
  NOINLINE void name(size_t size) {                                                                \
    trap_size = size;                                                                              \
    function(size);                                                                                \
    NOT_THE_END();                                                                                 \
  }
TRAPPED(case_cfa_rax, asm_cfa_rax)
TRAPPED(case_cfa_rdi, asm_cfa_rdi)
TRAPPED(case_cfa_r8, asm_cfa_r8)
TRAPPED(case_cfa_r10, asm_cfa_r10)
TRAPPED(case_cfa_r11, asm_cfa_r11)
TRAPPED(case_trap_at_start, asm_trap_at_start)

static const struct unwind_case cases[] = {
    {"plt-past-push", 14001, case_plt_past_push,
     "asm_leaf asm_plt_past_push case_plt_past_push " FROM_MAIN},
    {"plt-before-push", 14002, case_plt_before_push,
     "asm_leaf asm_plt_before_push asm_plt_caller case_plt_before_push " FROM_MAIN},
    {"cfa-at-152", 14003, case_cfa_at_152, "asm_leaf asm_cfa_at_152 case_cfa_at_152 " FROM_MAIN},
    {"cfa-at-544", 14004, case_cfa_at_544, "asm_leaf asm_cfa_at_544 case_cfa_at_544 " FROM_MAIN},
    {"cfa-rax", 14005, case_cfa_rax,
     "trap_handler <libc.so.6> asm_cfa_rax case_cfa_rax " FROM_MAIN},
    {"cfa-rdi", 14006, case_cfa_rdi,
     "trap_handler <libc.so.6> asm_cfa_rdi case_cfa_rdi " FROM_MAIN},
    {"cfa-r8", 14007, case_cfa_r8, "trap_handler <libc.so.6> asm_cfa_r8 case_cfa_r8 " FROM_MAIN},
    {"cfa-r10", 14008, case_cfa_r10,
     "trap_handler <libc.so.6> asm_cfa_r10 case_cfa_r10 " FROM_MAIN},
    {"cfa-r11", 14009, case_cfa_r11,
     "trap_handler <libc.so.6> asm_cfa_r11 case_cfa_r11 " FROM_MAIN},
    {"ends-in-call", 14010, case_ends_in_call,
     "asm_leaf_that_jumps asm_ends_in_call case_ends_in_call " FROM_MAIN},
    {"trap-at-start", 14011, case_trap_at_start,
     "trap_handler <libc.so.6> asm_trap_at_start case_trap_at_start " FROM_MAIN},
    {"undefined-return", 14012, case_undefined_return, "asm_leaf asm_undefined_return [end]"},
    {"no-tables", 14013, case_no_tables, "asm_leaf asm_no_tables case_no_tables " FROM_MAIN},
    {"zero-frame", 14029, case_zero_frame, "asm_leaf asm_zero_frame [stops]"},
};
enum { rbx_size = 14014, step_size = 14100, plt_size = 14200 };

// ---- one allocation after each instruction ------------------------------------------------------

enum { stepped_instructions = 10, plt_instructions = 6 };
static size_t next_step;
static const char* last_step_at;
static int steps_left;

NOINLINE void step_handler(int number, siginfo_t* info, void* context) {
  (void)number;
  (void)info;
  greg_t* registers = ((ucontext_t*)context)->uc_mcontext.gregs;
  if (registers[REG_RIP] == (greg_t)last_step_at || steps_left == 0) {
    registers[REG_EFL] &= ~(greg_t)0x100;
    return;
  }
  steps_left--;
  kept = malloc(next_step++);
}

NOINLINE void case_stepped(void) {
  next_step = step_size;
  last_step_at = asm_step_function_over;
  steps_left = stepped_instructions + 1;
  asm_step_function();
  if (steps_left != 1)
    fail("asm_stepped has another number of instructions");
}

// The stub, the first stub, and the first instruction of the resolver in ld.so.
NOINLINE void case_stepped_plt(void) {
  next_step = plt_size;
  last_step_at = asm_step_plt_over;
  steps_left = plt_instructions;
  asm_step_plt();
  if (steps_left != 0)
    fail("getsid was bound before: no lazy binding");
}

static void expect_steps(void) {
  char name[40];
  for (size_t i = 0; i < stepped_instructions; i++) {
    (void)snprintf(name, sizeof(name), "step-%zu", i);
    expect(name, step_size + i,
           "step_handler <libc.so.6> asm_stepped asm_step_function case_stepped " FROM_MAIN);
  }
  for (size_t i = 0; i < plt_instructions; i++) {
    (void)snprintf(name, sizeof(name), "plt-step-%zu", i);
    expect(name, plt_size + i,
           i + 1 < plt_instructions
               ? "step_handler <libc.so.6> <unwind_asm>{1} asm_step_plt case_stepped_plt " FROM_MAIN
               : "step_handler <libc.so.6> <ld-linux-x86-64.so.2>{1} asm_step_plt "
                 "case_stepped_plt " FROM_MAIN);
  }
}

static void on_signal(int number, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action;
  memset(&action, 0, sizeof(action));
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO;
  if (sigaction(number, &action, NULL))
    fail("sigaction");
}

int main(void) {
  on_signal(SIGILL, trap_handler);
  on_signal(SIGTRAP, step_handler);
  expect_all(cases, COUNT_OF(cases));
  expect_steps();
  printf("accept cfa-rbx size=%d: asm_leaf asm_cfa_rbx case_cfa_rbx " FROM_MAIN "\n", rbx_size);
  begin();
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    cases[i].run(cases[i].size);
  case_stepped();
  case_stepped_plt();
  case_cfa_rbx(rbx_size);
  finish();
}
