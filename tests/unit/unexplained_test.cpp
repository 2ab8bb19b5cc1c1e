// SPDX-License-Identifier: Apache-2.0
#include "core/unexplained.h"
#include "megabyte.h"

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

Trend growing_at(double megabytes_per_minute) {
  Trend trend;
  trend.shape = TrendShape::growing;
  trend.rate = megabytes_per_minute * megabyte / 60;
  return trend;
}

/// Of a process that grows by 12 MB a minute, after 10 s.
GrowthAccount account(double outstanding_megabytes) {
  return {10, growing_at(12), outstanding_megabytes * megabyte, false, std::nullopt};
}

bool is_unexplained(const GrowthAccount& account) {
  return UnexplainedGrowth().is_shown_by(account);
}

/// The first of accounts of every two seconds that shows it, in seconds; 0: none of a minute.
double shown_after(GrowthAccount account) {
  UnexplainedGrowth growth;
  for (account.seconds = 2; account.seconds <= 60; account.seconds += 2)
    if (growth.is_shown_by(account))
      return account.seconds;
  return 0;
}

TEST_CASE("growth is unexplained while less than half of it is outstanding", "[verdict]") {
  CHECK(is_unexplained(account(0)));
  CHECK(is_unexplained(account(0.9)));
  CHECK_FALSE(is_unexplained(account(1.1)));
}

TEST_CASE("what is seen in windows may be more than it seems", "[verdict]") {
  GrowthAccount in_windows = account(0.5);
  in_windows.partly_seen = true;
  CHECK_FALSE(is_unexplained(in_windows));
  in_windows.outstanding_bytes = 0.05 * megabyte;
  CHECK(is_unexplained(in_windows));
}

TEST_CASE("only steady growth of a megabyte a minute asks to be explained", "[verdict]") {
  CHECK_FALSE(is_unexplained({}));
  GrowthAccount small = account(0);
  small.anonymous = growing_at(0.9);
  CHECK_FALSE(is_unexplained(small));
  small.anonymous = growing_at(1.1);
  CHECK(is_unexplained(small));
  small.anonymous->shape = TrendShape::levelled;
  CHECK_FALSE(is_unexplained(small));
}

TEST_CASE("what churns explains no growth, once it is told from what grows", "[verdict]") {
  GrowthAccount churning = account(100);
  churning.outstanding = growing_at(12);
  churning.outstanding->shape = TrendShape::flat;
  CHECK(shown_after(churning) == 40);
  churning.outstanding->shape = TrendShape::too_short;
  CHECK(shown_after(churning) == 0);
  churning.outstanding = growing_at(5);
  CHECK(shown_after(churning) == 40);
  churning.outstanding = growing_at(7);
  CHECK(shown_after(churning) == 0);
}

TEST_CASE("growth may be unexplained before that is sure", "[verdict]") {
  GrowthAccount each = account(0);
  CHECK(may_be_unexplained(each)); // there is no trend of what is outstanding yet
  each.outstanding = growing_at(5);
  CHECK(may_be_unexplained(each));
  each.outstanding = growing_at(7);
  CHECK_FALSE(may_be_unexplained(each));
  each.outstanding->shape = TrendShape::flat;
  CHECK(may_be_unexplained(each));
  each.anonymous = growing_at(0.9);
  CHECK_FALSE(may_be_unexplained(each));
}

TEST_CASE("an estimate that falls back for a moment leaves no growth unexplained", "[verdict]") {
  UnexplainedGrowth growth;
  GrowthAccount noisy = account(100);
  for (noisy.seconds = 30; noisy.seconds < 90; noisy.seconds += 2) {
    noisy.outstanding = growing_at(static_cast<int>(noisy.seconds) % 10 == 0 ? 12 : 1);
    CHECK_FALSE(growth.is_shown_by(noisy));
  }
}

} // namespace
} // namespace leakbpf
