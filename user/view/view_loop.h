// SPDX-License-Identifier: Apache-2.0
// Shows a view on a terminal until it is closed.
#pragma once

#include "view/terminal.h"
#include "view/view.h"
#include "view/view_exchange.h"

namespace leakbpf {

/// SIGWINCH has to be blocked in all threads. Returns when the other side ends the view, when the
/// person quits, or when the terminal is gone: the latter two are told as commands.
void run_view(View& view, Terminal& terminal, ViewExchange& exchange);

} // namespace leakbpf
