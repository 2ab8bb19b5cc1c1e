// SPDX-License-Identifier: Apache-2.0
// What changed between two snapshots, as a plain table.
#pragma once

#include "core/diff.h"
#include "render/painter.h"

#include <string>

namespace leakbpf {

/// The first `rows` rows (0: all) that changed.
[[nodiscard]] std::string render_table(const Diff& diff, const TableStyle& style, std::size_t rows);

} // namespace leakbpf
