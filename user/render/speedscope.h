// SPDX-License-Identifier: Apache-2.0
// A report in the file format of speedscope.
#pragma once

#include "core/diff.h"
#include "core/report.h"

#include <string>

namespace leakbpf {

/// JSON after https://www.speedscope.app/file-format-schema.json, with a final newline. For each
/// target a profile of its outstanding bytes and one of the bytes it took; one that would be empty
/// is left out, unless nothing else would be there. A frame's file is its source file, else its
/// module.
[[nodiscard]] std::string render_speedscope(const Report& report);

/// Two profiles, as weights cannot be negative: what grew, by how many outstanding bytes, and what
/// shrank.
[[nodiscard]] std::string render_speedscope(const Diff& diff);

} // namespace leakbpf
