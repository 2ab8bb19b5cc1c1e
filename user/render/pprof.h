// SPDX-License-Identifier: Apache-2.0
// A report as a pprof profile.
#pragma once

#include "core/diff.h"
#include "core/report.h"

#include <string>

namespace leakbpf {

/// A gzip-compressed profile.proto (github.com/google/pprof, proto/profile.proto) with the sample
/// types of Go's heap profiles: alloc_objects, alloc_space, inuse_objects, inuse_space; in use is
/// what is outstanding. One sample per site that took memory, with the labels "kind", "pid",
/// "process" and "severity". The period is the mean of bytes between samples; the values are of all
/// allocations, estimated where the report's are.
///
/// An address stands for an offset in a file, that of the instruction which the call returns to.
/// The function of a place without a name is "libx.so+0x12". Left without a function, Pyroscope
/// would not show it, and `go tool pprof` would find a wrong one: it takes the start of a mapping
/// for that of the file's code (cmd/pprof: objTool.Open), which is not recorded.
[[nodiscard]] std::string render_pprof(const Report& report);

/// The same of what changed: after minus before, so that values may be negative, as `pprof
/// -diff_base` makes them of two profiles. Rows without a change are left out. pprof and Parca take
/// such profiles; Pyroscope passes over samples without a positive value. Labels: "kind", "change"
/// and "severity" (afterwards, else before); time and duration are of the later snapshot.
[[nodiscard]] std::string render_pprof(const Diff& diff);

} // namespace leakbpf
