// SPDX-License-Identifier: Apache-2.0
// A report as a plain table.
#pragma once

#include "core/report.h"
#include "render/painter.h"

#include <string>

namespace leakbpf {

[[nodiscard]] std::string render_table(const Report& report, const TableStyle& style);

} // namespace leakbpf
