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
/// "812"; in a container "812 (7 in container 3f2a9c0b17d2, pod shop-5d9f)".
[[nodiscard]] std::string describe_pid(const TargetReport& target);
/// The same where there is little room, without the PID outside: "7 in shop-5d9f". Empty of a
/// process in neither a container nor a PID namespace of its own.
[[nodiscard]] std::string describe_place(const TargetReport& target);
/// "killed by signal 9 (Killed) after 12s".
[[nodiscard]] std::string describe_end(const TargetEnd& end);
/// 12 digits of an id, as people and tools write them; a name as it is.
[[nodiscard]] std::string short_id(const Container& container);
/// The process of a row, "shop (4242)", or how many it is of, "4 processes".
[[nodiscard]] std::string describe_process(const Report& report, const SiteReport& site);
[[nodiscard]] std::string describe_process(const Report& report, const HeldReport& row);
/// "4242", or "4 processes".
[[nodiscard]] std::string describe_row_pid(const SiteReport& site);
[[nodiscard]] std::string describe_row_pid(const HeldReport& row);
/// "leak at shop.c:40 (18 stacks): buffer = malloc(n);", as far as known.
[[nodiscard]] std::string describe_culprit(const SiteReport& site);
/// "12 MB": what is outstanding; of mappings that are hardly used, what of them is in use.
[[nodiscard]] std::string describe_bytes(const SiteReport& site);
/// Bytes a minute that describe_bytes() grows by.
[[nodiscard]] std::optional<double> describe_growth(const SiteReport& site);
/// "800 MB of address space (+2.4 GB/min)": of mappings that are hardly used, the whole.
[[nodiscard]] std::string describe_address_space(const SiteReport& site);
/// "5m00s on host, from 2026-01-31T09:30:00Z".
[[nodiscard]] std::string describe_run(const Report& report);
/// "shop (4242): severity high; RSS grows by 12 MB/min".
[[nodiscard]] std::string describe_verdict(const TargetReport& target);
/// "a.json, 5m00s from 2026-01-31T09:30:00Z, 12 MB in 1,234 blocks".
[[nodiscard]] std::string describe_side(const DiffSide& side);
/// Why stacks are compared by rate: of a diff by_rate.
[[nodiscard]] std::string describe_lengths(const Diff& diff);
/// "high"; "unknown" without a verdict.
[[nodiscard]] std::string_view severity_word(const std::optional<Severity>& severity);

/// "heap sampled every 16 KB, 4% of the time   probes cost 2.6% of a core   1,234,567 hits": how
/// closely was looked, and what that takes.
[[nodiscard]] std::string describe_tracing(const Report& report);
/// Percent of one core that probes cost of late, or else in all.
[[nodiscard]] std::optional<double> present_cost(const Overhead& overhead);

/// Indices: the worst severity first, then the fastest growth, then the most outstanding bytes.
[[nodiscard]] std::vector<std::size_t> worst_first(const std::vector<TargetReport>& targets);

} // namespace leakbpf
