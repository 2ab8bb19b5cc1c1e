// SPDX-License-Identifier: Apache-2.0
// A report as JSON, schema leakbpf.snapshot/1.
#pragma once

#include "core/report.h"

#include <string>

namespace leakbpf {

/// UTF-8 with a final newline. Bytes in names that are no UTF-8 become U+FFFD. Everything that a
/// report holds can be read back, see store/snapshot_reader.h.
[[nodiscard]] std::string render_json(const Report& report);

} // namespace leakbpf
