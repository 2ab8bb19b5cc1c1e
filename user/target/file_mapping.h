// SPDX-License-Identifier: Apache-2.0
// How /proc shows a file that is not mapped yet.
#pragma once

#include "base/unique_fd.h"
#include "target/proc_fs.h"

#include <optional>

namespace leakbpf {

/// The file as /proc shows it when it is mapped: on stacked file systems, and on btrfs, stat()
/// tells another device. Nothing when it cannot be mapped. The mapping is never read.
[[nodiscard]] std::optional<Mapping> as_mapped(const UniqueFd& file);

} // namespace leakbpf
