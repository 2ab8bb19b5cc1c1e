// SPDX-License-Identifier: Apache-2.0
// Names for frames of a snapshot that were not found where it was taken.
#pragma once

#include "core/report.h"

#include <leakbpf/result.h>

namespace leakbpf {

/// Looks for the files of unnamed frames on this machine, by path and build ID; with `debuginfod`
/// also asks the servers that DEBUGINFOD_URLS names, for those and for lines of functions that have
/// none. What is not found stays as it is. Fails (ExitCode::io) when servers are wanted and there
/// is no way to ask them.
[[nodiscard]] Result<void> name_late(Report& report, bool debuginfod);

} // namespace leakbpf
