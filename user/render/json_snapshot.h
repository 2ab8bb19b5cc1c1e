// SPDX-License-Identifier: Apache-2.0
// What both forms of a snapshot share: everything but the frames of the stacks.
#pragma once

#include "render/json_lines.h"

namespace leakbpf {

/// The members before "sites".
void write_head(JsonLines& out, const Report& report);

/// The members after "sites".
void write_tail(JsonLines& out, const Report& report);

/// A site without its culprit and its frames.
[[nodiscard]] OutputJson site_json(const SiteReport& site);

} // namespace leakbpf
