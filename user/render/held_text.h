// SPDX-License-Identifier: Apache-2.0
// A container that grows, in lines of text.
#pragma once

#include "core/held.h"

#include <string>
#include <vector>

namespace leakbpf {

struct HeldText {
  std::string row;                ///< what grows, how large it is, how fast
  std::vector<std::string> lines; ///< which lines fill it, and what to do
};

[[nodiscard]] HeldText describe_held(const HeldReport& row);

/// "shop.seen: dict, 8,300 entries (+540/s)"
[[nodiscard]] std::string describe_container(const HeldReport& row);

} // namespace leakbpf
