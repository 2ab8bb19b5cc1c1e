// SPDX-License-Identifier: Apache-2.0
// The processes above a table's rows.
#pragma once

#include "core/report.h"
#include "render/painter.h"

namespace leakbpf {

/// The worst first: some lines for each, or, when there are many, one row.
void paint_targets(Painter& painter, const Report& report);

} // namespace leakbpf
