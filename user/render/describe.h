// SPDX-License-Identifier: Apache-2.0
// Sentences about a run that the flame graph and the page have in common. Not escaped.
#pragma once

#include "core/diff.h"
#include "core/report.h"

#include <string>
#include <string_view>
#include <vector>

namespace leakbpf {

/// "shop (4242)", or "12 processes".
[[nodiscard]] std::string describe_targets(const std::vector<TargetReport>& targets);
/// "5m00s on host, from 2026-01-31T09:30:00Z".
[[nodiscard]] std::string describe_run(const Report& report);
/// "shop (4242): severity high; RSS grows by 12 MB/min".
[[nodiscard]] std::string describe_verdict(const TargetReport& target);
/// "a.json, 5m00s from 2026-01-31T09:30:00Z, 12 MB in 1,234 blocks".
[[nodiscard]] std::string describe_side(const DiffSide& side);
/// "high"; "unknown" without a verdict.
[[nodiscard]] std::string_view severity_word(const std::optional<Severity>& severity);

/// "heap sampled every 16 KB, 4% of the time   probes cost 2.6% of a core   1,234,567 hits": how
/// closely was looked, and what that takes.
[[nodiscard]] std::string describe_tracing(const Report& report);

/// Indices: the worst severity first, then the most outstanding bytes.
[[nodiscard]] std::vector<std::size_t> worst_first(const std::vector<TargetReport>& targets);

} // namespace leakbpf
