// SPDX-License-Identifier: Apache-2.0
// Finishes in user space the walks that the kernel had to leave off, because they came to a file
// whose unwind table was not loaded yet, or another thread held the process's mappings locked: from
// a copy of the stack, by the same steps.
#pragma once

#include "kernel/unwind_maps.h"
#include "unwind/table_loader.h"

#include <span>

namespace leakbpf {

/// The mapping that holds `pc`, or nullptr.
[[nodiscard]] const leakbpf_mapped_code* find_code(std::span<const leakbpf_mapped_code> mapped,
                                                   std::uint64_t pc);

/// How many frames stand in the slots of `stack`.
[[nodiscard]] std::uint32_t frame_count(const leakbpf_stack& stack);

/// Appends the frames to `stack`, which is what the kernel found, and sets how it ends now.
/// `memory` is the thread's stack from the request's frame on; one that is larger ends as
/// LEAKBPF_STACK_UNREADABLE.
void finish_stack(const leakbpf_unwind_request& request, std::span<const std::uint8_t> memory,
                  std::span<const leakbpf_mapped_code> mapped, std::uint32_t max_frames,
                  const UnwindMaps& maps, TableLoader& tables, leakbpf_stack& stack);

} // namespace leakbpf
