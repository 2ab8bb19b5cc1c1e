// SPDX-License-Identifier: Apache-2.0
// How much of what a target has mapped is resident: a thread's stack is 8 MB of addresses, and some
// kilobytes of memory.
#pragma once

#include "core/report.h"
#include "session/stack_locator.h"
#include "session/target_table.h"

#include <vector>

namespace leakbpf {

/// Sets SiteReport::resident_bytes of the first rows of mappings, while their processes are there.
void measure_resident(const ProcFs& proc, TargetTable& targets, StackLocator& locator,
                      std::vector<SiteReport>& sites);

} // namespace leakbpf
