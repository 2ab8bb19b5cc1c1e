// SPDX-License-Identifier: Apache-2.0
// Runs a BPF program at page faults.
#pragma once

#include "kernel/attach.h"

namespace leakbpf {

/// Runs `program` at each page fault of each process, and adds the links to `links`. On failure
/// nothing that this call attached stays.
[[nodiscard]] Result<void> attach_page_faults(const bpf_program* program, std::vector<Link>& links);

} // namespace leakbpf
