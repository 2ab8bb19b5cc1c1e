// SPDX-License-Identifier: Apache-2.0
// What the command line asks of a Tracer.
#pragma once

#include "cli/commands.h"
#include "session/tracer.h"

#include <functional>

namespace leakbpf {

/// `console` outlives the tracer.
[[nodiscard]] TraceOptions trace_options(const Options& options, const Console& console);

/// Largest first by the wanted number; what is unknown comes last; ties by bytes, then by stack.
[[nodiscard]] std::function<bool(const SiteReport&, const SiteReport&)>
order_of(const Options& options);

} // namespace leakbpf
