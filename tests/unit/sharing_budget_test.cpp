// SPDX-License-Identifier: Apache-2.0
#include "core/sharing_budget.h"

#include <array>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Catch::Approx;

constexpr std::array paid{0.01, 0.04, 0.02};

TEST_CASE("with a limit for each, the one that pays most decides", "[sharing]") {
  const SharingBudget budget{0.03, 0};
  CHECK(budget.share() == 0.03);
  CHECK(budget.governed_seconds(paid) == Approx(0.04));
  CHECK(budget.governed_seconds({}) == 0);
}

TEST_CASE("with a limit for all together, their sum decides", "[sharing]") {
  const SharingBudget budget{0, 0.1};
  CHECK(budget.share() == 0.1);
  CHECK(budget.governed_seconds(paid) == Approx(0.07));
}

TEST_CASE("with both limits, the one that is reached first decides", "[sharing]") {
  // 0.07 of 0.05 is more than 0.04 of 0.03: it counts as that part of the share.
  const SharingBudget tight_total{0.03, 0.05};
  CHECK(tight_total.governed_seconds(paid) == Approx(0.07 * 0.03 / 0.05));
  const SharingBudget wide_total{0.03, 1};
  CHECK(wide_total.governed_seconds(paid) == Approx(0.04));
}

TEST_CASE("without a limit nothing counts", "[sharing]") {
  CHECK(SharingBudget{}.share() == 0);
  CHECK(SharingBudget{}.governed_seconds(paid) == 0);
}

} // namespace
} // namespace leakbpf
