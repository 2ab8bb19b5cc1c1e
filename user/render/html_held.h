// SPDX-License-Identifier: Apache-2.0
// The section of a report's page about containers that grow.
#pragma once

#include "core/report.h"

#include <string>

namespace leakbpf {

/// HTML: each with the lines that fill it and a plot of its entries, then a tree of what holds
/// what. Empty when none grows.
[[nodiscard]] std::string held_section(const Report& report);

} // namespace leakbpf
