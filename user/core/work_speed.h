// SPDX-License-Identifier: Apache-2.0
// How much of their usual work processes do in a second in which they are probed.
#pragma once

#include "core/cost_meter.h"

namespace leakbpf {

/// Processes that get no more CPU time than before have less of it for their own work while probes
/// cost some; those with time to spare take what the probes cost in addition, and do as much as
/// ever.
class WorkSpeed {
public:
  /// `seconds` without probes, in which the processes took `taken`.
  void add_free(const CpuTimes& taken, double seconds);
  /// `seconds` with probes, which cost `cost_seconds` of what was taken.
  void add_probed(const CpuTimes& taken, double cost_seconds, double seconds);

  /// 0.3 to 1. There are two measures: user time, and all CPU time without what the probes cost.
  /// Both are rough, and the larger one errs towards 1; they count as far as the processes did not
  /// take more time than before.
  [[nodiscard]] double speed() const;

private:
  /// Sums in which what is older counts less.
  struct Rate {
    double user = 0; ///< seconds of CPU time, of the processes' own work
    double own = 0;  ///< the same with system time
    double all = 0;  ///< the same with what probes cost
    double seconds = 0;

    void add(double more_user, double more_own, double more_all, double more_seconds);
  };
  [[nodiscard]] double measured() const;

  Rate free_;
  Rate probed_;
};

} // namespace leakbpf
