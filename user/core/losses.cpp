// SPDX-License-Identifier: Apache-2.0
#include "core/losses.h"

#include <array>

namespace leakbpf {

namespace {

// In the order of enum leakbpf_loss.
constexpr std::array<LossText, LEAKBPF_LOSS_COUNT> texts{{
    {"live_table_full", "blocks not followed: the table of outstanding blocks is full",
     "raise --max-live"},
    {"stack_table_full", "allocations without a stack: the table of stacks is full",
     "raise --max-stacks"},
    {"site_table_full", "allocations not counted: the table of sites is full",
     "raise --max-stacks"},
    {"unwind_truncated", "stacks cut off at the deepest frame that is kept", "raise --max-depth"},
    {"unwind_failed", "stacks that end before the thread's first function", ""},
    {"missed_returns", "calls whose return was not seen", ""},
    {"events_dropped", "events dropped: mappings or processes may be missing", ""},
    {"missed_frees", "frees that were missed and found later; totals are corrected", ""},
    {"no_task_state", "calls not followed: the kernel had no memory for a thread's state", ""},
    {"stack_collisions", "stacks that share another one's row: equal 64-bit hashes", ""},
    {"targets_full", "child processes not followed: too many targets", ""},
    {"python_code_gone", "Python code objects that were gone before they could be named", ""},
    {"targets_evicted", "processes that ended left out: their rows made room for others", ""},
    {"missed_faults",
     "page faults of all processes not seen: pages may be missing or in another row", ""},
    {"changed_files",
     "files changed while they were read: their functions have no names, or stacks end there", ""},
    {"kernel_tables",
     "reads and changes of the kernel's tables that failed: any number may be wrong",
     "a bug, or a machine out of memory: -v, dmesg"},
    {"targets_not_attached", "processes left out or followed in part: too many open files",
     "raise the limit: ulimit -n"},
    {"heap_unread",
     "pieces of Python heaps not read at the last look: swapped out, or changed meanwhile", ""},
}};

} // namespace

const LossText& loss_text(leakbpf_loss loss) {
  return texts.at(loss);
}

} // namespace leakbpf
