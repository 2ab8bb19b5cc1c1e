// SPDX-License-Identifier: Apache-2.0
// The processes of a report on its page: their verdicts, figures and plots.
#pragma once

#include "core/report.h"
#include "render/json_frame.h"

#include <string>
#include <vector>

namespace leakbpf {

/// A card for each of the worst, and a table of the others when there are many.
[[nodiscard]] std::string target_cards(const Report& report);

/// What the plots of the cards show, in their order:
/// {"times": [s...], "lines": [{"key", "name", "values": [bytes or null...]}...], "limit": bytes}.
[[nodiscard]] OutputJson target_plots(const Report& report);

/// RSS, growth, outstanding bytes, limit: as far as known.
[[nodiscard]] std::string target_figures(const TargetReport& target);

/// Each made harmless by clean_text().
[[nodiscard]] std::vector<std::string> clean_texts(const std::vector<std::string>& texts);

} // namespace leakbpf
