// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.h"

#include "base/escape.h"
#include "core/units.h"

#include <algorithm>

#include <fmt/format.h>
#include <unistd.h>

namespace leakbpf {

Progress::Progress(const Options& options, MessageWriter& messages, double wanted_seconds)
    : messages_(messages), on_(!options.quiet && isatty(STDERR_FILENO) == 1),
      wanted_(wanted_seconds) {}

void Progress::show(double elapsed_seconds, const std::string& what) {
  if (!on_)
    return;
  constexpr int bar_width = 20;
  const double share = std::clamp(elapsed_seconds / wanted_, 0.0, 1.0);
  const auto done = static_cast<int>(share * bar_width);
  const std::string line = escape_controls(
      fmt::format("[{:#>{}}{:.>{}}] {} of {}  {}", "", done, "", bar_width - done,
                  format_duration(elapsed_seconds), format_duration(wanted_), what));
  messages_.write_if_ready(fmt::format("\r{:<{}}", line, length_));
  length_ = line.size();
}

void Progress::clear() {
  if (length_ > 0)
    messages_.write_if_ready(fmt::format("\r{:{}}\r", "", length_));
  length_ = 0;
}

} // namespace leakbpf
