// SPDX-License-Identifier: Apache-2.0
#include "core/sharing_budget.h"

#include <algorithm>
#include <numeric>

namespace leakbpf {

double SharingBudget::governed_seconds(std::span<const double> paid) const {
  double most = 0;
  if (per_target > 0 && !paid.empty())
    most = *std::max_element(paid.begin(), paid.end());
  if (total > 0)
    most = std::max(most, std::accumulate(paid.begin(), paid.end(), 0.0) * share() / total);
  return most;
}

} // namespace leakbpf
