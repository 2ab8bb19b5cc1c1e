// SPDX-License-Identifier: Apache-2.0
// Reads snapshot files: JSON of schema leakbpf.snapshot/1, and the compact form of it.
#pragma once

#include "core/report.h"

#include <leakbpf/result.h>

#include <string>
#include <string_view>

namespace leakbpf {

/// What render_json or render_compact wrote, as it is or gzipped: a report that is equal but for
/// SiteKey::target, which is SiteReport::target here. Members that are not known are passed over;
/// missing ones are unknown. Equal frames share one handle. Indices are sound: of targets, of
/// culprits, of points of a series.
///
/// `text` may be anything, and `name` is what errors call it. ExitCode::io when it is no snapshot,
/// cut off, of a newer version, or has a member of a wrong type or value, which the error names.
[[nodiscard]] Result<Report> read_snapshot(std::string_view text, const std::string& name);

/// The same for a file of at most 1 GiB, packed and unpacked; "-" is standard input.
[[nodiscard]] Result<Report> load_snapshot(const std::string& path);

} // namespace leakbpf
