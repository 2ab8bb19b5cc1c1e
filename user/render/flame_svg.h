// SPDX-License-Identifier: Apache-2.0
// A flame graph of outstanding memory: a stand-alone SVG file, or an element of a page.
#pragma once

#include "core/diff.h"
#include "core/report.h"
#include "render/flame_tree.h"

#include <string>

namespace leakbpf {

/// One SVG 1.1 file with script and style inside. The root is on top and its callees hang below it;
/// the width of a box is the memory that its callees hold, the widest stand on the left. Without
/// script every box still has its tooltip.
[[nodiscard]] std::string render_svg(const Report& report);
/// Widths are the larger of before and after, so that what is gone stays visible.
[[nodiscard]] std::string render_svg(const Diff& diff);

/// The same as an <svg> element without heading, for a page that brings flame.css and flame.js.
[[nodiscard]] std::string flame_element(const FlameTree& tree);

} // namespace leakbpf
