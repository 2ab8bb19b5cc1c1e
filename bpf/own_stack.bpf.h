/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Keeps a program on the stack of the thread that it runs in.
 *
 * Since Linux 6.13 the JIT gives programs of the kprobe type a private stack, one per CPU, when
 * they need 64 bytes or more. kprobe programs cannot nest on a CPU, but uprobe programs have the
 * same type and can be preempted: the next thread's hit then overwrites their variables. A program
 * with a tail call in it is left on the ordinary stack, so each of ours has one that is never
 * taken. The verifier removes it.
 *
 * A program array belongs to one attach type, hence one for what is always a multi link. */
#pragma once

#include "kernel.bpf.h"

const volatile __u32 config_never = 0;

struct {
  __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} no_programs SEC(".maps"), no_free_programs SEC(".maps");

#define KEEP_OWN_STACK(ctx, programs)                                                              \
  do {                                                                                             \
    if (config_never)                                                                              \
      bpf_tail_call(ctx, &(programs), 0);                                                          \
  } while (0)
