// SPDX-License-Identifier: Apache-2.0
// The governor over simulated minutes of a process whose cost with probes is known.
#include "core/governor.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Catch::Approx;

constexpr double usual_budget = 0.03;
constexpr double minutes = 600; ///< ten of them, in seconds
constexpr double attach_seconds = 0.1;

/// Asks the governor as HeapWindows does.
class Simulation {
public:
  /// `rate`: seconds that a second with probes costs, by time.
  Simulation(double budget, std::function<double(double)> rate, std::uint32_t seed = 0)
      : governor(budget, seed), rate_(std::move(rate)) {
    begin_window();
  }

  void run_until(double end) {
    while (now < end) {
      const double next = governor.next_look(now);
      asked_for_the_past += next <= now ? 1 : 0;
      pass_until(std::min(std::max(next, now + 0.001), end)); // a look takes its time
      look();
    }
  }
  /// Runs on until the governor has closed a window, at most until `end`.
  bool closes_by(double end) {
    const std::size_t before = closes.size();
    while (now < end && closes.size() == before)
      run_until(std::min(now + 0.001, end));
    return closes.size() > before;
  }
  [[nodiscard]] double open_share() const { return open_seconds / now; }

  Governor governor;
  double now = 0;
  double cost = 0;
  double open_seconds = 0;
  int asked_for_the_past = 0;
  std::vector<double> begins; ///< of windows, the first without an end included
  std::vector<double> planned;
  std::vector<double> closes;

private:
  void begin_window() {
    governor.opened(now, cost);
    begins.push_back(now);
    if (const auto seconds = governor.planned_seconds())
      planned.push_back(*seconds);
  }
  void look() {
    const bool was_limiting = governor.is_limiting();
    if (!governor.is_open()) {
      if (governor.should_open(now, cost))
        begin_window();
    } else if (governor.should_close(now, cost)) {
      governor.closed(now);
      closes.push_back(now);
    } else if (was_limiting && !governor.is_limiting()) {
      governor.opened(now, cost); // no end is foreseen any more
    }
  }
  /// Probes that are being taken out are hit all the same.
  void pass_until(double then) {
    while (now < then) {
      const double step = std::min(0.005, then - now);
      const bool leaving = !closes.empty() && now < closes.back() + attach_seconds;
      if (governor.is_open() || leaving)
        cost += rate_(now + step / 2) * step;
      open_seconds += governor.is_open() ? step : 0;
      now = step < 0.005 ? then : now + step;
    }
  }

  std::function<double(double)> rate_;
};

std::function<double(double)> always(double rate) {
  return [rate](double) { return rate; };
}

/// `peak` from `from` to `to`, else next to nothing.
std::function<double(double)> spike(double peak, double from, double to) {
  return [=](double t) { return t >= from && t < to ? peak : 0.001; };
}

TEST_CASE("what costs too much is kept within the budget, and uses most of it", "[governor]") {
  for (const double rate : {0.05, 0.1, 0.3, 1.0, 8.0})
    for (const std::uint32_t seed : {0U, 1U, 2U}) {
      CAPTURE(rate, seed);
      Simulation run(usual_budget, always(rate), seed);
      run.run_until(minutes);
      CHECK(run.governor.is_limiting());
      CHECK(run.cost / minutes <= usual_budget);
      CHECK(run.cost / minutes >= 0.6 * usual_budget);
    }
}

TEST_CASE("the budget holds at every moment, but for what it takes to notice", "[governor]") {
  for (const double rate : {0.1, 0.3, 1.0, 8.0}) {
    Simulation run(usual_budget, always(rate));
    // Two seconds of the budget may be run up; then comes a look, and the probes are taken out.
    const double allowed = 2 * usual_budget + rate * (0.5 + attach_seconds);
    for (int t = 1; t <= static_cast<int>(minutes); t++) {
      run.run_until(t);
      CAPTURE(rate, t);
      CHECK(run.cost <= usual_budget * t + allowed);
    }
  }
}

TEST_CASE("a run of a few seconds is within the budget once its first stretch is paid for",
          "[governor]") {
  for (const double rate : {0.1, 0.3, 1.0})
    for (const std::uint32_t seed : {0U, 1U, 2U, 3U}) {
      Simulation run(usual_budget, always(rate), seed);
      REQUIRE(run.closes_by(5));
      const double paid = (run.cost + rate * attach_seconds) / usual_budget;
      for (double t = std::max(paid, 1.0); t < 40; t += 0.25) {
        run.run_until(t);
        CAPTURE(rate, seed, t);
        CHECK(run.cost <= 1.2 * usual_budget * t);
      }
      CHECK(run.begins.size() >= (rate < 1 ? 7 : 4)); // of which the first is that stretch
    }
}

TEST_CASE("what costs less than the budget is probed all the time", "[governor]") {
  for (const double rate : {0.0, 0.001, 0.02, 0.029}) {
    CAPTURE(rate);
    Simulation run(usual_budget, always(rate));
    run.run_until(minutes);
    CHECK(run.closes.empty());
    CHECK(run.governor.is_open());
    CHECK_FALSE(run.governor.is_limiting());
    CHECK_FALSE(run.governor.planned_seconds());
    CHECK(run.cost == Approx(rate * minutes));
  }
}

TEST_CASE("bursts that the budget covers on average close nothing", "[governor]") {
  Simulation run(usual_budget,
                 [](double t) { return std::fmod(t, 3.0) < 0.1 ? 0.5 : 0.001; }); // 0.018
  run.run_until(minutes);
  CHECK(run.closes.empty());
}

TEST_CASE("bursts that the budget does not cover are kept within it", "[governor]") {
  for (const double peak : {0.3, 1.0, 4.0})
    for (const double period : {1.0, 4.0, 7.0, 12.0, 30.0})
      for (const double share : {0.1, 0.5}) {
        CAPTURE(peak, period, share);
        Simulation run(usual_budget, [=](double t) {
          return std::fmod(t, period) < share * period ? peak : 0.0005;
        });
        run.run_until(minutes);
        // What one burst costs until it is seen may not be paid for at the end yet.
        CHECK(run.cost <= usual_budget * minutes + peak * (0.5 + attach_seconds));
      }
}

TEST_CASE("a spike is noticed within two seconds", "[governor]") {
  for (int i = 0; i < 40; i++) {
    const double from = 30 + 0.037 * i;
    CAPTURE(from);
    Simulation run(usual_budget, spike(0.5, from, 1e9));
    run.run_until(from);
    REQUIRE(run.closes.empty());
    CHECK(run.closes_by(from + 2));
    CHECK_FALSE(run.governor.is_open());
  }
}

TEST_CASE("a spike in the midst of a window cuts it short", "[governor]") {
  // Windows of about two seconds, each in need of half a second's pause or more.
  const auto rate = [](double t) { return t < 100 ? 0.035 : 2.0; };
  Simulation run(usual_budget, rate);
  run.run_until(100);
  REQUIRE(run.governor.is_limiting());
  if (!run.governor.is_open()) // then the next window is it
    while (!run.governor.is_open())
      run.run_until(run.now + 0.01);
  const double from = std::max(run.begins.back(), 100.0);
  REQUIRE(run.closes_by(from + 5));
  CHECK(run.closes.back() - from < 0.25);
}

TEST_CASE("after a long spike it is probed all the time again, but not at once", "[governor]") {
  for (const double peak : {0.1, 0.5})
    for (const std::uint32_t seed : {0U, 1U, 2U, 3U, 4U}) {
      CAPTURE(peak, seed);
      Simulation run(usual_budget, spike(peak, 60, 180), seed);
      run.run_until(180);
      REQUIRE(run.governor.is_limiting());
      run.run_until(185);
      CHECK(run.governor.is_limiting());
      run.run_until(240);
      CHECK_FALSE(run.governor.is_limiting());
      CHECK(run.governor.is_open());
      const std::size_t closed = run.closes.size();
      run.run_until(minutes);
      CHECK(run.closes.size() == closed);
      CHECK(run.governor.is_open());
    }
}

TEST_CASE("windows do not begin more often than twice in a second", "[governor]") {
  const std::vector<std::function<double(double)>> rates{
      always(0.04), always(1), always(20),
      // What the budget covers, after what it does not: nothing but the least pause is needed.
      spike(8, 10, 20), [](double t) { return t < 20 ? 0.5 : 0.02; },
      [](double t) { return std::fmod(t, 10) < 1 ? 2 : 0; }};
  for (std::size_t rate = 0; rate < rates.size(); rate++) {
    CAPTURE(rate);
    Simulation run(usual_budget, rates[rate]);
    run.run_until(minutes);
    REQUIRE(run.begins.size() > 1);
    for (std::size_t i = 1; i < run.begins.size(); i++) {
      CHECK(run.begins[i] - run.begins[i - 1] >= 0.5);
      CHECK(run.begins[i] - run.closes[i - 1] >= 0.5 - 1e-9); // to take the probes out
    }
  }
}

TEST_CASE("a minute has many windows where each can be paid for", "[governor]") {
  for (const double rate : {0.05, 0.1, 0.3, 0.5}) {
    CAPTURE(rate);
    Simulation run(usual_budget, always(rate));
    run.run_until(minutes);
    CHECK(static_cast<double>(run.begins.size()) >= 8 * minutes / 60);
  }
}

TEST_CASE("the lengths of windows vary about what they should be", "[governor]") {
  Simulation run(usual_budget, always(0.1));
  run.run_until(minutes);
  REQUIRE(run.planned.size() > 50);
  // What was planned from rates that were measured. The first is from the short time that it took
  // to notice, to which taking the probes out adds much.
  run.planned.erase(run.planned.begin());
  const double mean = std::accumulate(run.planned.begin(), run.planned.end(), 0.0) /
                      static_cast<double>(run.planned.size());
  const auto [shortest, longest] = std::minmax_element(run.planned.begin(), run.planned.end());
  CHECK(*shortest < 0.85 * mean);
  CHECK(*longest > 1.15 * mean);
  CHECK(*shortest > 0.6 * mean);
  CHECK(*longest < 1.5 * mean);
  std::vector<double> different = run.planned;
  std::sort(different.begin(), different.end());
  different.erase(std::unique(different.begin(), different.end()), different.end());
  CHECK(different.size() > run.planned.size() / 2);
  Simulation other(usual_budget, always(0.1), 7);
  other.run_until(minutes);
  CHECK(other.planned != run.planned);
}

TEST_CASE("windows last as long as they were planned to", "[governor]") {
  Simulation run(usual_budget, always(0.2));
  run.run_until(minutes);
  REQUIRE(run.closes.size() > 10);
  for (std::size_t i = 1; i < run.closes.size(); i++) // the first had no plan
    CHECK(run.closes[i] - run.begins[i] == Approx(run.planned[i - 1]).margin(0.01));
}

TEST_CASE("a budget of 0 is no limit", "[governor]") {
  Simulation run(0, always(8));
  run.run_until(minutes);
  CHECK(run.closes.empty());
  CHECK(run.governor.is_open());
  CHECK_FALSE(run.governor.is_limiting());
  CHECK(run.governor.next_look(run.now) >= run.now + 1);
}

TEST_CASE("another budget holds from then on", "[governor]") {
  SECTION("a larger one") {
    Simulation run(0.01, always(0.3));
    run.run_until(minutes);
    const double before = run.cost;
    CHECK(before / minutes <= 0.01);
    run.governor.set_budget(0.1);
    run.run_until(2 * minutes);
    CHECK((run.cost - before) / minutes <= 0.1);
    CHECK((run.cost - before) / minutes >= 0.06);
  }
  SECTION("a smaller one") {
    Simulation run(0.1, always(0.3));
    run.run_until(minutes);
    const double before = run.cost;
    run.governor.set_budget(0.01);
    run.run_until(2 * minutes);
    CHECK((run.cost - before) / minutes <= 0.011);
    CHECK((run.cost - before) / minutes >= 0.006);
  }
  SECTION("one that ends the windows, and one that begins them") {
    Simulation run(usual_budget, always(0.1));
    run.run_until(60);
    CHECK(run.governor.is_limiting());
    run.governor.set_budget(0.5);
    run.run_until(120);
    CHECK_FALSE(run.governor.is_limiting());
    CHECK(run.governor.is_open());
    run.governor.set_budget(usual_budget);
    CHECK(run.closes_by(130));
  }
  SECTION("none any more") {
    Simulation run(usual_budget, always(0.1));
    run.run_until(60);
    REQUIRE(run.governor.is_limiting());
    run.governor.set_budget(0);
    run.run_until(70);
    CHECK(run.governor.is_open());
    const std::size_t closed = run.closes.size();
    run.run_until(120);
    CHECK(run.closes.size() == closed);
    CHECK_FALSE(run.governor.is_limiting());
    CHECK(run.governor.next_look(run.now) > run.now); // else who asks never rests
  }
}

TEST_CASE("the next look is in the future", "[governor]") {
  for (const double rate : {0.001, 0.1, 8.0}) {
    CAPTURE(rate);
    Simulation run(usual_budget, always(rate));
    run.run_until(minutes);
    // A window's end and the time on the clock may be told apart by a rounding error.
    CHECK(run.asked_for_the_past <= static_cast<int>(run.begins.size()));
  }
}

} // namespace
} // namespace leakbpf
