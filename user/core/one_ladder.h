// SPDX-License-Identifier: Apache-2.0
// One ladder of severity for a process and all that is told of it.
#pragma once

#include "core/report.h"

namespace leakbpf {

/// No row is worse than its process, of rows of several the worst there is: what all of it does is
/// measured, by its memory, and a row is a part of that. A row that is graded down says so.
void grade_by_targets(Report& report);
/// The same for one row that is made of the report's.
void grade_by_target(SiteReport& site, const Report& report);

} // namespace leakbpf
