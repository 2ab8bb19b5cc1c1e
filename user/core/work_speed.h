// SPDX-License-Identifier: Apache-2.0
// How much of its usual work a process does in a second in which it is probed.
#pragma once

#include "core/cost_meter.h"

namespace leakbpf {

/// A process that has all of a CPU's time to do has less of it for its own work while probes cost
/// some; one that has time to spare does as much as ever, and makes up for what they cost.
class WorkSpeed {
public:
  /// `seconds` without probes, in which the process took `taken`.
  void add_free(const CpuTimes& taken, double seconds);
  /// `seconds` with probes, which cost `cost_seconds` of what was taken.
  void add_probed(const CpuTimes& taken, double cost_seconds, double seconds);

  /// 0.3 to 1. There are two measures: its user time, and all of its CPU time without what the
  /// probes cost. Both are rough, and the larger one errs towards 1; they count as far as the
  /// process is busy.
  [[nodiscard]] double speed() const;

private:
  /// Sums in which what is older counts less.
  struct Rate {
    double user = 0; ///< seconds of CPU time, of the process's own work
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
