/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What every header of the BPF side stands on. */
#pragma once

#include <leakbpf/abi.h>

#include <linux/bpf.h>
#include <stdbool.h>

#include "vmlinux.h"

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define NO_INLINE __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
