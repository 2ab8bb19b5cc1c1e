// SPDX-License-Identifier: Apache-2.0
// The verdict in a few lines, to be pasted into a ticket.
#pragma once

#include "core/report.h"

#include <string>

namespace leakbpf {

/// Per target its severity and the reasons, then the rows that grow: three at most. `by_culprit`:
/// stacks of one culprit are a row.
[[nodiscard]] std::string render_verdict(const Report& report, bool by_culprit = true);

/// The worst of the targets' severities; unknown when none has one.
[[nodiscard]] std::optional<Severity> worst_severity(const Report& report);

} // namespace leakbpf
