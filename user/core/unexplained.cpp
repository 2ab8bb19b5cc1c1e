// SPDX-License-Identifier: Apache-2.0
#include "core/unexplained.h"

namespace leakbpf {

namespace {

constexpr double explained_share = 0.5;
constexpr double next_to_nothing = 0.05;
constexpr double least_growth = 1024.0 * 1024 / 60; // a second
// What churns becomes outstanding at first, and hides for so long what does not grow.
constexpr double settled_seconds = 30;

} // namespace

bool is_unexplained(const GrowthAccount& account) {
  const auto& memory = account.anonymous;
  if (!memory || !memory->sustained() || memory->rate < least_growth)
    return false;
  const double least = account.partly_seen ? next_to_nothing : explained_share;
  if (account.outstanding_bytes < least * memory->rate * account.seconds)
    return true;
  const auto& outstanding = account.outstanding;
  if (account.seconds < settled_seconds || !outstanding ||
      outstanding->shape == TrendShape::too_short)
    return false;
  const double rate = outstanding->sustained() ? outstanding->rate : 0;
  return rate < explained_share * memory->rate;
}

} // namespace leakbpf
