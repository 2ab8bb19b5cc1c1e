/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Programs that do nothing: what a probe costs before leakbpf does anything in it (tests/bench). */
#include "kernel.bpf.h"

SEC("uprobe")
int on_empty(struct pt_regs* ctx) {
  return 0;
}

SEC("uprobe")
int on_empty_session(struct pt_regs* ctx) {
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
