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

/// Does its memory grow steadily, by 1 MB a minute at least, and more than half of that is not
/// known to be outstanding? An estimate's noise may look like that for a moment.
[[nodiscard]] bool may_be_unexplained(const GrowthAccount& account);

/// Of one process.
class UnexplainedGrowth {
public:
  /// True where its memory grows steadily, by 1 MB a minute at least, and
  ///  - less is outstanding than half of what that comes to (where allocations are seen in part,
  ///    next to nothing), which can be told before there is a trend of what is outstanding; or
  ///  - what is outstanding grows less than half as fast, in all accounts of the last 10 s: an
  ///    estimate's noise may look like that for a moment.
  [[nodiscard]] bool is_shown_by(const GrowthAccount& account);

private:
  std::optional<double> outgrows_since_; ///< seconds
};

} // namespace leakbpf
