// SPDX-License-Identifier: Apache-2.0
// A comparison of two snapshots as JSON, schema leakbpf.diff/1.
#pragma once

#include "core/diff.h"

#include <string>

namespace leakbpf {

/// UTF-8 with a final newline. Bytes in names that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string render_json(const Diff& diff);

} // namespace leakbpf
