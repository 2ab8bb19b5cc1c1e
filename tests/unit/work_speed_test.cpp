// SPDX-License-Identifier: Apache-2.0
#include "core/work_speed.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Catch::Approx;

/// Of a process that takes `free` seconds of CPU time a second, and `probed` when probes cost it
/// `cost` of them; a tenth is system time.
double speed_of(double free, double probed, double cost) {
  WorkSpeed speed;
  for (int window = 0; window < 20; window++) {
    speed.add_free({3 * 0.9 * free, 3 * 0.1 * free}, 3);
    const double own = probed - cost;
    speed.add_probed(
        {0.9 * own + CostMeter::user_part(cost), 0.1 * own + cost - CostMeter::user_part(cost)},
        cost, 1);
  }
  return speed.speed();
}

TEST_CASE("held up, a process does less of its work while probes take its time", "[work_speed]") {
  CHECK(speed_of(1, 1, 0.4) == Approx(0.6));
  CHECK(speed_of(0.9, 1, 0.5) == Approx(0.5 / 0.9));
  CHECK(speed_of(4, 4, 1) == Approx(0.75));      // several threads
  CHECK(speed_of(0.5, 0.5, 0.2) == Approx(0.6)); // half a core is all it may have
  CHECK(speed_of(1, 1, 0.95) == Approx(0.3));    // that much is not believed
}

TEST_CASE("a process with time to spare does all of its work", "[work_speed]") {
  CHECK(speed_of(0.06, 0.25, 0.19) == 1);
  CHECK(speed_of(0.2, 0.5, 0.3) == 1);
  CHECK(speed_of(0.8, 1.4, 0.6) == 1); // four workers, a fifth of a core each
  // The model says half too much.
  CHECK(speed_of(0.06, 0.2, 0.21) == 1);
}

TEST_CASE("between leisure and haste the measure counts in part", "[work_speed]") {
  const double half = speed_of(0.6, 0.75, 0.35);
  CHECK(half > 0.7);
  CHECK(half < 1);
}

TEST_CASE("without both kinds of time nothing is known", "[work_speed]") {
  WorkSpeed speed;
  CHECK(speed.speed() == 1);
  speed.add_probed({0.5, 0.5}, 0.5, 1);
  CHECK(speed.speed() == 1);
  speed.add_free({0, 0}, 5); // it did nothing at all
  CHECK(speed.speed() == 1);
}

} // namespace
} // namespace leakbpf
