// SPDX-License-Identifier: Apache-2.0
#include "core/unexplained.h"

namespace leakbpf {

namespace {

constexpr double explained_share = 0.5;
constexpr double next_to_nothing = 0.05;
constexpr double least_growth = 1024.0 * 1024 / 60; // a second
// What churns becomes outstanding at first, and hides for so long what does not grow.
constexpr double settled_seconds = 30;
constexpr double noise_seconds = 10;

bool grows(const GrowthAccount& account) {
  const auto& memory = account.anonymous;
  return memory && memory->sustained() && memory->rate >= least_growth;
}

bool lacks_allocations(const GrowthAccount& account) {
  const double least = account.partly_seen ? next_to_nothing : explained_share;
  return grows(account) &&
         account.outstanding_bytes < least * account.anonymous->rate * account.seconds;
}

bool outgrows_allocations(const GrowthAccount& account) {
  return account.seconds >= settled_seconds && account.outstanding &&
         account.outstanding->shape != TrendShape::too_short && may_be_unexplained(account);
}

} // namespace

bool may_be_unexplained(const GrowthAccount& account) {
  const auto& outstanding = account.outstanding;
  const double rate = outstanding && outstanding->sustained() ? outstanding->rate : 0;
  return grows(account) && rate < explained_share * account.anonymous->rate;
}

bool UnexplainedGrowth::is_shown_by(const GrowthAccount& account) {
  if (!outgrows_allocations(account))
    outgrows_since_.reset();
  else if (!outgrows_since_)
    outgrows_since_ = account.seconds;
  return lacks_allocations(account) ||
         (outgrows_since_ && account.seconds - *outgrows_since_ >= noise_seconds);
}

} // namespace leakbpf
