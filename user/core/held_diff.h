// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/diff.h"

#include <vector>

namespace leakbpf {

/// Containers that grew in one of two snapshots, or in both: the largest change of growth first.
[[nodiscard]] std::vector<HeldChange> compare_held(const std::vector<HeldReport>& before,
                                                   const std::vector<HeldReport>& after);

} // namespace leakbpf
