// SPDX-License-Identifier: Apache-2.0
// From what the kernel side counted to what a site's totals are.
#pragma once

#include "core/site.h"
#include "kernel/kernel_side.h"
#include "session/heap_windows.h"

namespace leakbpf {

[[nodiscard]] SiteKey key_of(const SiteSample& sample);

/// In whole bytes and blocks.
[[nodiscard]] SiteTotals totals_of(const SiteSample& sample);

/// The same at the end of `window`. Of its young blocks all are known then, not one in `scale`:
/// they stand for themselves until the next window.
[[nodiscard]] SiteTotals estimate_of(const SiteSample& sample, const WindowState& window);

} // namespace leakbpf
