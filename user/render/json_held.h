// SPDX-License-Identifier: Apache-2.0
// Containers that grow, as JSON.
#pragma once

#include "core/held.h"
#include "render/json_frame.h"

namespace leakbpf {

/// An element of a snapshot's list "held".
[[nodiscard]] OutputJson held_json(const HeldReport& row);
/// Its member "lines".
[[nodiscard]] OutputJson held_lines_json(const HeldReport& row);

} // namespace leakbpf
