// SPDX-License-Identifier: Apache-2.0
// Puts containers that grow in order, and makes one row of those of several processes that are one
// in the source: four workers of a service have the same leak.
#pragma once

#include "core/grouping.h"
#include "core/report.h"

namespace leakbpf {

/// The fastest first, numbered; what holds others that grow as fast before these. But by stack and
/// by process there is one row for containers at the same path, of the same type, in processes of
/// one program: entries, bytes and growth are sums, the rest is of the one that grows fastest, and
/// the lines are the surest.
void arrange_held(Report& report, GroupBy by);

} // namespace leakbpf
