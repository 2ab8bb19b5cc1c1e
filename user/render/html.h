// SPDX-License-Identifier: Apache-2.0
// A report as one page that needs nothing else: no network, no other file, and for its verdict and
// its table no script.
#pragma once

#include "core/diff.h"
#include "core/report.h"

#include <string>

namespace leakbpf {

/// HTML 5 in UTF-8. Of very many sites only the first are in it, and it says so.
[[nodiscard]] std::string render_html(const Report& report);
[[nodiscard]] std::string render_html(const Diff& diff);

} // namespace leakbpf
