// SPDX-License-Identifier: Apache-2.0
// A report as a plain table.
#pragma once

#include "core/report.h"

#include <string>

namespace leakbpf {

struct TableStyle {
  bool stacks = false;   ///< every frame under its row, not only the culprit
  bool color = false;    ///< ANSI escapes
  std::size_t width = 0; ///< columns to cut lines to; 0: no limit
};

[[nodiscard]] std::string render_table(const Report& report, const TableStyle& style);

} // namespace leakbpf
