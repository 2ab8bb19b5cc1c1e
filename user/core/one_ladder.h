// SPDX-License-Identifier: Apache-2.0
// One ladder of severity for a process and all that is told of it.
#pragma once

#include "core/report.h"

namespace leakbpf {

/// No row is worse than its process, of rows of several the worst there is: what all of it does is
/// measured, by its memory, and a row is a part of that. A row that is graded down says so.
void grade_by_targets(Report& report);

} // namespace leakbpf
