// SPDX-License-Identifier: Apache-2.0
// Adds up sites that have something in common: the line, the function, the request handler.
#pragma once

#include "core/report.h"

#include <functional>
#include <string>
#include <vector>

namespace leakbpf {

enum class GroupBy { stack, line, function, handler, module, process };

/// Index of the outermost frame of the application's own code: in a web service, the endpoint. What
/// only starts the program (the module that runs it, main) is passed over when it calls, through
/// other code, the application again. The culprit when the application has no frame.
[[nodiscard]] std::size_t find_handler(const Frames& frames);

/// The frame that stands for a whole stack when rows are made by `by`, and what makes two of them
/// the same row.
struct GroupFrame {
  std::string key;
  Frame frame;
};

/// For anything but stack and process. `culprit` is an index into `frames`.
[[nodiscard]] GroupFrame group_frame(GroupBy by, const Frames& frames, std::size_t culprit);

/// One row for the sites that `frame_of` gives the same key: totals and growth are sums, the oldest
/// age is the oldest, and the PID is that of the largest; `processes` says how many they are of.
/// Kinds stay apart, but for `process`, which alone keeps processes apart.
[[nodiscard]] std::vector<SiteReport>
merge_sites(std::vector<SiteReport> sites, GroupBy by,
            const std::function<GroupFrame(const SiteReport&)>& frame_of);

} // namespace leakbpf
