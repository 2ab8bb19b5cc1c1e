/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Knobs that user space sets before the programs are loaded. The verifier knows their values, so a
 * feature that is off costs nothing. */
#pragma once

#include "kernel.bpf.h"

const volatile __u64 config_min_size = 0;
const volatile __u64 config_max_size = ~0ULL;
const volatile __u32 config_max_frames = LEAKBPF_MAX_FRAMES;
const volatile __u32 config_watch = 0;        /* a flag: tell of every program that starts */
const volatile __u32 config_own_tgid = 0;     /* of leakbpf */
const volatile __u32 config_windows = 1;      /* a flag: windows may open and close */
const volatile __u32 config_follow_forks = 1; /* a flag; C++ has no _Bool for the skeleton */
