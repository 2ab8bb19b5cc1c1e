// SPDX-License-Identifier: Apache-2.0
// Stacks as lines of text, for flame graph tools.
#pragma once

#include "core/diff.h"
#include "core/report.h"

#include <string>

namespace leakbpf {

/// "main at m.c:7;take at m.c:3 4096": one line for each distinct stack, the outermost frame first,
/// then its outstanding bytes. This is what flamegraph.pl (github.com/brendangregg/FlameGraph)
/// reads. With several targets a line begins with the process, "comm (pid)". Stacks without
/// outstanding bytes are left out. Valid UTF-8; a ";" in a name is written as ":".
[[nodiscard]] std::string render_folded(const Report& report);

/// Two columns, outstanding bytes before and after, as difffolded.pl of the same tools makes them:
/// flamegraph.pl draws a differential flame graph from them.
[[nodiscard]] std::string render_folded(const Diff& diff);

} // namespace leakbpf
