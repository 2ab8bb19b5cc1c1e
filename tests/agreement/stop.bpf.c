/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Stops a thread, now and then, where an allocation returns to: there, leakbpf takes its stack. */
#include "own_stack.bpf.h"
#include "registers.bpf.h"

const volatile __u32 config_threshold = 0; /* stops when a random number is below it */

__u64 stops = 0;

#define STOP_SIGNAL 19 /* SIGSTOP: nothing can block or handle it */

SEC("uretprobe")
int on_return(struct pt_regs* ctx) {
  /* The cookie says that the result is an error number (posix_memalign). */
  bool succeeded = bpf_get_attach_cookie(ctx) ? (__u32)result(ctx) == 0 : result(ctx) != 0;
  KEEP_OWN_STACK(ctx, no_programs);
  if (!succeeded || bpf_get_prandom_u32() >= config_threshold)
    return 0;
  if (!bpf_send_signal_thread(STOP_SIGNAL))
    __sync_fetch_and_add(&stops, 1);
  return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
