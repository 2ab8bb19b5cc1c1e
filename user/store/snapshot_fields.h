// SPDX-License-Identifier: Apache-2.0
// The parts of a snapshot file that stand for themselves.
#pragma once

#include "core/report.h"
#include "store/json_fields.h"

namespace leakbpf {

// What is missing stays as it is: unknown. What is wrong is noted as the fields' problem.

[[nodiscard]] Frame read_frame(const Fields& fields);
[[nodiscard]] TargetReport read_target(const Fields& fields);
[[nodiscard]] HistoryPoint read_history_point(const Fields& fields);
/// Without its frames, its target, and its culprit's source.
/// Without the target that it is of.
[[nodiscard]] HeldReport read_held(const Fields& fields);
[[nodiscard]] SiteReport read_site(const Fields& fields);
/// What is said of the run as a whole. `fields` are the members of the document that are no lists.
void read_run(const Fields& fields, Report& report);

} // namespace leakbpf
