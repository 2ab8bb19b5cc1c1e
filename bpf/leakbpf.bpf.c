/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Entry points only. Each function that is traced at entry and return has three programs: one for a
 * uprobe session (both ways in one), and a pair for multi links and perf events. User space loads
 * those that the kernel can attach. */
#include "heap.bpf.h"
#include "mappings.bpf.h"
#include "own_stack.bpf.h"
#include "pages.bpf.h"
#include "process.bpf.h"
#include "python/code.bpf.h"
#include "python/collections.bpf.h"
#include "range.bpf.h"

/* Takes the context from Linux 7.0 on. libbpf drops what follows "___" in the name, and resolves
 * the one whose signature this kernel has. */
extern bool bpf_session_is_return(void) __ksym __weak;
extern bool bpf_session_is_return___ctx(void* ctx) __ksym __weak;

static __always_inline bool is_return(struct pt_regs* ctx) {
  if (bpf_ksym_exists(bpf_session_is_return___ctx))
    return bpf_session_is_return___ctx(ctx);
  return bpf_session_is_return();
}

SEC("uprobe")
int on_allocate_entry(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  allocate_entry(ctx);
  return 0; /* older kernels would take 1 for "remove this probe" */
}

SEC("uretprobe")
int on_allocate_return(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  return allocate_return(ctx);
}

SEC("uprobe")
int on_allocate_session(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  return is_return(ctx) ? allocate_return(ctx) : allocate_entry(ctx);
}

SEC("uprobe")
int on_reallocate_entry(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  reallocate_entry(ctx);
  return 0; /* older kernels would take 1 for "remove this probe" */
}

SEC("uretprobe")
int on_reallocate_return(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  return reallocate_return(ctx);
}

SEC("uprobe")
int on_reallocate_session(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  return is_return(ctx) ? reallocate_return(ctx) : reallocate_entry(ctx);
}

SEC("uprobe")
int on_range_entry(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  range_entry(ctx);
  return 0; /* older kernels would take 1 for "remove this probe" */
}

SEC("uretprobe")
int on_range_return(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  return range_return(ctx);
}

SEC("uprobe")
int on_range_session(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  return is_return(ctx) ? range_return(ctx) : range_entry(ctx);
}

SEC("uprobe")
int on_free(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_free_programs);
  return free_entry(ctx);
}

SEC("uprobe")
int on_mappings_changed(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_free_programs);
  return mappings_changed(ctx);
}

SEC("uprobe")
int on_collect_entry(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  collect_entry(ctx);
  return 0; /* older kernels would take 1 for "remove this probe" */
}

SEC("uretprobe")
int on_collect_return(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  return collect_return();
}

SEC("uprobe")
int on_collect_session(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_programs);
  return is_return(ctx) ? collect_return() : collect_entry(ctx);
}

SEC("uprobe")
int on_code_died(struct pt_regs* ctx) {
  KEEP_OWN_STACK(ctx, no_free_programs);
  return code_died(ctx);
}

SEC("perf_event")
int on_page_fault(struct fault_context* ctx) {
  return page_faulted(ctx->address);
}

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct* parent, struct task_struct* child) {
  return process_forked(parent, child);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct* task) {
  return process_executed(task);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct* task) {
  return process_exited(task);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
