// SPDX-License-Identifier: Apache-2.0
// What the unwind_* programs share. Each knows the truth about its own stacks and says it first, a
// line for each case:
//
//   expect CASE size=BYTES: FUNCTION... END
//
// then "ready PID"; waits for a line; runs its cases, each of which leaves one block of its size;
// says "done"; and waits until its standard input ends. Functions are named innermost first. In
// their place may stand
//
//   FUNCTION{N}       the same function N times; here and in a module, * is any text
//   <MODULE|MODULE>   one or more frames of these files, named or not; with {N} exactly N, with a *
//                     also none
//   ?                 a frame without a name, outside of any file
//   *                 any frames, or none
//
// and at the end
//
//   [end]             that was the last frame, and nothing is missing
//   [truncated]       the limit of frames, then the note that says so
//   [stops]           nobody can know what comes next: more frames or a note
//
// "accept" for "expect": the walk may stop early, with a note, where this needs what no walker in
// the kernel does; what it found until there must be right. "perhaps": there may be no such block
// in the traced process; if there is, this is its stack.
#pragma once

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __clang__
#define NOINLINE __attribute__((noinline, used))
#else
#define NOINLINE __attribute__((noipa))
#endif

// How a chain ends below main and below a thread's function; the build says it where it is another
// C library's way.
#ifndef FROM_MAIN
#define FROM_MAIN "main <libc.so.6> _start [end]"
#endif
#ifndef FROM_THREAD
#define FROM_THREAD "<libc.so.6> [end]"
#endif

// After a call: it is not the function's last act, so it is no tail call.
#define NOT_THE_END() __asm__ volatile("" ::: "memory")

struct unwind_case {
  const char* name;
  size_t size;
  void (*run)(size_t size);
  const char* chain;
};

// Where blocks stay reachable, so that no call is optimised away.
static void* volatile kept __attribute__((unused));

static inline void say(const char* text) {
  if (write(STDOUT_FILENO, text, strlen(text)) < 0)
    _exit(9);
}

static inline void fail(const char* why) {
  say("broken: ");
  say(why);
  say("\n");
  _exit(9);
}

static inline void wait_for_line(void) {
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) == 1 && byte != '\n') {
  }
}

static inline void expect(const char* name, size_t size, const char* chain) {
  printf("expect %s size=%zu: %s\n", name, size, chain);
}

static inline void expect_all(const struct unwind_case* cases, size_t count) {
  for (size_t i = 0; i < count; i++)
    expect(cases[i].name, cases[i].size, cases[i].chain);
}

static inline void begin(void) {
  printf("ready %d\n", (int)getpid());
  fflush(stdout);
  wait_for_line();
}

static inline __attribute__((noreturn)) void finish(void) {
  say("done\n");
  wait_for_line();
  _exit(0);
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))
