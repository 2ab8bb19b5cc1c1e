/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What every header of the BPF side stands on. */
#pragma once

#include "vmlinux.h"

#include <leakbpf/abi.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <linux/bpf.h>
#include <stdbool.h>

/* Map helpers return these negated. Compare as int: before Linux 6.4 the upper half of the returned
 * register was not sign-extended. */
#define ERROR_BUSY 16
#define ERROR_EXISTS 17

#define PAGE_BYTES 4096ULL

#define NO_INLINE __attribute__((noinline))
/* A function that the verifier looks at once, on its own, instead of at each call: what keeps loops
 * and searches within its limits. Its pointers may be NULL for all it knows. */
#define VERIFIED_ONCE __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
