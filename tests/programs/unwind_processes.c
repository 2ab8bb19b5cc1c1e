// SPDX-License-Identifier: Apache-2.0
// Allocations around vfork and posix_spawn, and in a forked child.
#define _GNU_SOURCE
#include "unwind_case.h"

#include <spawn.h>
#include <sys/wait.h>

extern char** environ;

NOINLINE void process_leaf(size_t size) {
  kept = malloc(size);
}

// The child has its parent's memory and stack, but another PID: whoever looks by PID sees nothing.
NOINLINE void case_vfork_child(size_t size) {
  const pid_t child = vfork();
  if (child == 0) {
    process_leaf(size);
    _exit(0);
  }
  if (child < 0 || waitpid(child, NULL, 0) != child)
    fail("vfork");
  NOT_THE_END();
}

NOINLINE void case_vfork_parent(size_t size) {
  const pid_t child = vfork();
  if (child == 0)
    _exit(0);
  process_leaf(size);
  if (child < 0 || waitpid(child, NULL, 0) != child)
    fail("vfork");
}

NOINLINE void case_spawn(size_t size) {
  char program[] = "/bin/true";
  char* arguments[] = {program, NULL};
  pid_t child = 0;
  if (posix_spawn(&child, program, NULL, NULL, arguments, environ))
    fail("posix_spawn");
  process_leaf(size);
  if (waitpid(child, NULL, 0) != child)
    fail("waitpid");
}

NOINLINE void case_fork_parent(size_t size) {
  const pid_t child = fork();
  if (child == 0)
    _exit(0);
  process_leaf(size);
  if (child < 0 || waitpid(child, NULL, 0) != child)
    fail("fork");
}

// The child is gone before anybody can read what it has mapped.
NOINLINE void case_short_child(size_t size) {
  const pid_t child = fork();
  if (child == 0) {
    process_leaf(size);
    _exit(0);
  }
  if (child < 0 || waitpid(child, NULL, 0) != child)
    fail("fork");
  NOT_THE_END();
}

enum { short_children = 20, first_short_size = 19100 };

int main(void) {
  static const struct unwind_case cases[] = {
      {"vfork-parent", 19001, case_vfork_parent, "process_leaf case_vfork_parent " FROM_MAIN},
      {"spawn", 19002, case_spawn, "process_leaf case_spawn " FROM_MAIN},
      {"fork-parent", 19003, case_fork_parent, "process_leaf case_fork_parent " FROM_MAIN},
  };
  expect_all(cases, COUNT_OF(cases));
  printf("perhaps vfork-child size=%d: process_leaf case_vfork_child " FROM_MAIN "\n", 19004);
  for (int i = 0; i < short_children; i++)
    printf("perhaps short-child size=%d: process_leaf case_short_child " FROM_MAIN "\n",
           first_short_size + i);
  begin();
  for (size_t i = 0; i < COUNT_OF(cases); i++)
    cases[i].run(cases[i].size);
  case_vfork_child(19004);
  for (int i = 0; i < short_children; i++)
    case_short_child(first_short_size + (size_t)i);
  finish();
}
