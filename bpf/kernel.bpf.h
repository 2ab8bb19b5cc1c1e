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
#define ERROR_EXISTS 17

#define NO_INLINE __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
