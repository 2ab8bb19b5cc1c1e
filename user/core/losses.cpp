// SPDX-License-Identifier: Apache-2.0
#include "core/losses.h"

#include <array>

namespace leakbpf {

namespace {

// In the order of enum leakbpf_loss.
constexpr std::array<LossText, LEAKBPF_LOSS_COUNT> loss_texts{{
    {"live_table_full", "blocks not tracked: the outstanding-block table is full",
     "raise --max-live"},
    {"stack_table_full", "allocations without a stack: the stack table is full",
     "raise --max-stacks"},
    {"site_table_full", "allocations not counted: the site table is full", "raise --max-stacks"},
    {"unwind_truncated", "stacks truncated at the maximum depth", "raise --max-depth"},
    {"unwind_failed", "stacks that end before the thread's entry function", ""},
    {"missed_returns", "calls whose return was missed", ""},
    {"events_dropped", "events dropped: mappings or processes may be missing", ""},
    {"missed_frees", "missed frees that were found later; totals are corrected", ""},
    {"no_task_state", "calls not tracked: the kernel had no memory for a thread's state", ""},
    {"stack_collisions", "stacks merged into another stack's row: equal 64-bit hashes", ""},
    {"targets_full", "child processes not traced: too many targets", ""},
    {"python_code_gone", "Python code objects freed before they could be named", ""},
    {"targets_evicted", "ended processes evicted, those with the smallest rows first", ""},
    {"missed_faults", "page faults missed, of any process: pages may be missing or in another row",
     ""},
    {"changed_files",
     "files changed while being read: their functions have no names, or stacks end there", ""},
    {"kernel_tables", "failed reads or updates of kernel tables: any number may be wrong",
     "a bug, or out of memory: see -v and dmesg"},
    {"targets_not_attached", "processes not traced, or only in part: too many open files",
     "raise the limit: ulimit -n"},
    {"heap_unread",
     "parts of Python heaps not read in the last scan: swapped out, or changed meanwhile", ""},
}};

} // namespace

const LossText& loss_text(leakbpf_loss loss) {
  return loss_texts.at(loss);
}

} // namespace leakbpf
