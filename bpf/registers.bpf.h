/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Function arguments and results in a uprobe's registers, by the x86-64 System V ABI. */
#pragma once

#include "kernel.bpf.h"

struct arguments {
  __u64 first, second, third, fourth;
};

/* Loads them all, kept apart by barriers: a compiler that merges two loads makes a context pointer
 * with a variable offset, which the verifier refuses. */
static __always_inline struct arguments read_arguments(const struct pt_regs* regs) {
  struct arguments args = {
      .first = regs->di, .second = regs->si, .third = regs->dx, .fourth = regs->cx};
  barrier_var(args.first);
  barrier_var(args.second);
  barrier_var(args.third);
  barrier_var(args.fourth);
  return args;
}

static __always_inline __u64 argument(const struct arguments* args, __u32 index) {
  __u64 low = index == 0 ? args->first : args->second;
  __u64 high = index == 2 ? args->third : args->fourth;
  return index < 2 ? low : high;
}

static __always_inline __u64 result(const struct pt_regs* regs) {
  return regs->ax;
}

/* The size a call asks for: one argument, or the product of two (calloc). A product that overflows
 * needs no care: such a call fails. */
static __always_inline __u64 requested_size(const struct arguments* args, __u64 cookie) {
  __u64 size = argument(args, LEAKBPF_COOKIE_SIZE_ARG(cookie));
  __u32 count = LEAKBPF_COOKIE_COUNT_ARG(cookie);
  return count == LEAKBPF_NO_ARGUMENT ? size : size * argument(args, count);
}
