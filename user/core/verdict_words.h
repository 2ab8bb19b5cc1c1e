// SPDX-License-Identifier: Apache-2.0
// Words and thresholds that verdicts on targets and on sites share.
#pragma once

#include "core/severity.h"
#include "core/trend.h"

#include <string>

namespace leakbpf {

/// From this share of replaced blocks on, what grows replaces others.
constexpr double mostly_replaced = 0.5;
/// From this share of lost allocations on, rows are not trusted as they stand.
constexpr double many_lost = 0.1;

/// "8.1 MB/min"
[[nodiscard]] std::string per_minute(double bytes_per_second);
/// "grew in 10 of 11 intervals"
[[nodiscard]] std::string intervals_text(const Trend& trend);
/// Of growth that slows down; `leads_to`: bytes a second.
[[nodiscard]] std::string slowing_text(const Trend& trend, double leads_to);
/// Why something is not said to grow.
[[nodiscard]] std::string no_growth_text(const std::string& what, const Trend& trend);
/// No lower than Severity::low, where it is above that.
[[nodiscard]] Severity one_lower(Severity severity);

} // namespace leakbpf
