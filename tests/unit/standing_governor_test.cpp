// SPDX-License-Identifier: Apache-2.0
// Probes that stand, and what they cost a process whose rate is known, over simulated minutes.
#include "core/standing_governor.h"

#include <cmath>
#include <functional>

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

constexpr double budget = 0.015;
constexpr double governor_step = 0.1;

/// Looks ten times a second; a window is open in one of twenty of these.
class StandingSimulation {
public:
  /// `rate`: seconds that a second with probes costs, by time.
  explicit StandingSimulation(std::function<double(double)> rate) : rate_(std::move(rate)) {
    governor.set_budget(budget);
  }
  void run_until(double end) {
    for (; now < end; now += governor_step) {
      const bool in = governor.may_stand() || std::fmod(now, 2) < governor_step;
      const double cost_of_step = in ? rate_(now) * governor_step : 0;
      cost += cost_of_step;
      if (governor.may_stand())
        standing_cost += cost_of_step;
      governor.look(now + governor_step, cost, in);
    }
  }

  StandingGovernor governor;
  double now = 0;
  double cost = 0;
  double standing_cost = 0;

private:
  std::function<double(double)> rate_;
};

TEST_CASE("probes that cost little stand", "[governor]") {
  for (const double rate : {0.0, 0.005, 0.014}) {
    StandingSimulation run([rate](double) { return rate; });
    run.run_until(600);
    CHECK(run.governor.may_stand());
  }
}

TEST_CASE("probes that cost too much stand no more, a storm's from its first look on",
          "[governor]") {
  for (const double rate : {0.02, 0.3, 1.0}) {
    CAPTURE(rate);
    StandingSimulation run([rate](double t) { return t < 30 ? 0.001 : rate; });
    run.run_until(30);
    CHECK(run.governor.may_stand());
    run.run_until(rate < 0.2 ? 34 : 30 + governor_step / 2);
    CHECK_FALSE(run.governor.may_stand());
    run.run_until(600);
    CHECK_FALSE(run.governor.may_stand());
  }
}

TEST_CASE("they come back when it has been calm for a while", "[governor]") {
  StandingSimulation run([](double t) { return t < 10 ? 0.5 : 0.001; });
  run.run_until(11);
  CHECK_FALSE(run.governor.may_stand());
  run.run_until(60);
  CHECK(run.governor.may_stand());
}

TEST_CASE("storms that come again and again do not get more than their share", "[governor]") {
  for (const double period : {5.0, 20.0, 45.0}) {
    CAPTURE(period);
    StandingSimulation run([period](double t) { return std::fmod(t, period) < 1 ? 0.5 : 0.0; });
    run.run_until(600);
    CHECK(run.standing_cost <= budget * 600);
  }
}

TEST_CASE("without a limit they stand", "[governor]") {
  StandingGovernor governor;
  governor.look(1, 1, true);
  CHECK(governor.may_stand());
  governor.set_budget(budget);
  governor.look(2, 2, true);
  CHECK_FALSE(governor.may_stand());
  governor.set_budget(0);
  governor.look(3, 3, true);
  CHECK(governor.may_stand());
}

} // namespace
} // namespace leakbpf
