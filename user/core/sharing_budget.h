// SPDX-License-Identifier: Apache-2.0
// The budget of processes that share probes: these are in or out for all of them at once, so the
// one that pays most decides.
#pragma once

#include <span>

namespace leakbpf {

struct SharingBudget {
  double per_target = 0; ///< share of one core that each may pay; 0: no limit
  double total = 0;      ///< that all may pay together; 0: no limit

  /// What a governor is to keep to; 0: no limit.
  [[nodiscard]] double share() const { return per_target > 0 ? per_target : total; }
  /// What counts of the time that each of them paid, in the unit of share(): seconds.
  [[nodiscard]] double governed_seconds(std::span<const double> paid) const;
};

} // namespace leakbpf
