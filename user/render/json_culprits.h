// SPDX-License-Identifier: Apache-2.0
// The member `culprits` of a snapshot: made anew from its sites whenever it is written.
#pragma once

#include "core/report.h"
#include "render/json_frame.h"

namespace leakbpf {

/// A row for each culprit that grows: what all of its stacks take together, and which these are.
[[nodiscard]] OutputJson culprits_json(const Report& report);

} // namespace leakbpf
