// SPDX-License-Identifier: Apache-2.0
// Does a process grow by memory that no allocation accounts for?
#pragma once

#include "core/trend.h"

#include <optional>

namespace leakbpf {

/// What is known while a run goes on. Bytes and seconds.
struct GrowthAccount {
  double seconds = 0;               ///< that it was watched
  std::optional<Trend> anonymous;   ///< memory that is no file's
  double outstanding_bytes = 0;     ///< allocated since the attach
  bool partly_seen = false;         ///< in windows: these are too few until there are many of them
  std::optional<Trend> outstanding; ///< the trend of these
};

/// True where its memory grows steadily, by 1 MB a minute at least, and less than half of that was
/// allocated as far as is seen. That can be told before there is a trend of what is outstanding:
/// less of it is there than the growth would come to; where that is seen in part, next to nothing.
[[nodiscard]] bool is_unexplained(const GrowthAccount& account);

} // namespace leakbpf
