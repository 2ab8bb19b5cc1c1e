// SPDX-License-Identifier: Apache-2.0
// What a hit costs, found out from CPU times of a process of which it is known.
#include "core/cost_meter.h"

#include <cmath>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Catch::Approx;

constexpr double loop_hit = 1e-6;
constexpr double uncorrected = 1.5 * loop_hit;

/// A process that does some work, now with probes and now without.
struct Process {
  double system_share = 0.2;  ///< system time that its work takes, for each second of user time
  double hit_seconds = 2e-6;  ///< both kinds of time
  double hits_per_user = 2e5; ///< hits, for each second of its own user time
  double following_share = 0; ///< seconds of following blocks, for each second that hits take
  double tick_seconds = 0;    ///< what its times are told in; 0: exactly

  CpuTimes exact;
  ProbeWork work;

  void run(double user_seconds) {
    exact.user += user_seconds;
    exact.system += user_seconds * system_share;
  }
  void run_probed(double user_seconds) {
    run(user_seconds);
    ProbeWork done{user_seconds * hits_per_user, 0};
    const double hits_cost = done.hits * hit_seconds;
    // Following runs in the kernel, too, and its user part is charged to the hits.
    done.following_seconds = hits_cost * following_share;
    exact.user += CostMeter::user_part(hits_cost);
    exact.system += hits_cost - CostMeter::user_part(hits_cost) + done.following_seconds;
    work += done;
  }
  [[nodiscard]] CpuTimes told() const {
    const auto in_ticks = [&](double seconds) {
      return tick_seconds > 0 ? std::floor(seconds / tick_seconds) * tick_seconds : seconds;
    };
    return {in_ticks(exact.user), in_ticks(exact.system)};
  }
};

/// Windows of 0.2 s and gaps of 0.5 s of the process's own user time. Lengths vary a little, so
/// that they do not keep step with ticks.
void meter_windows(CostMeter& meter, Process& process, int windows) {
  for (int i = 0; i < windows; i++) {
    const double stretch = 1 + 0.01 * (i * 7 % 13);
    CpuTimes before = process.told();
    process.run(0.5 * stretch);
    meter.add_free(process.told() - before);
    before = process.told();
    const ProbeWork work_before = process.work;
    process.run_probed(0.2 * stretch);
    meter.add_probed(process.told() - before, process.work - work_before);
  }
}

TEST_CASE("without the process's own times it is the loop's figure and some more", "[cost]") {
  const CostMeter meter(loop_hit);
  CHECK_FALSE(meter.is_corrected());
  CHECK(meter.hit_seconds() == Approx(uncorrected));
  CHECK(meter.cost_seconds({1e6, 0}) == Approx(1.5));
  CHECK(meter.cost_seconds({1e6, 0.25}) == Approx(1.75));
  CHECK(meter.cost_seconds({}) == 0);
}

TEST_CASE("too little CPU time tells nothing", "[cost]") {
  CostMeter meter(loop_hit);
  SECTION("none without probes") {
    meter.add_probed({10, 10}, {1e6, 0});
  }
  SECTION("hardly any without probes") {
    meter.add_free({0.03, 0.01});
    meter.add_probed({10, 10}, {1e6, 0});
  }
  SECTION("none with probes") {
    meter.add_free({10, 1});
  }
  SECTION("hardly a hit") {
    meter.add_free({10, 1});
    meter.add_probed({10, 10}, {1000, 0});
  }
  SECTION("no user time, which the work is told by") {
    meter.add_free({0, 10});
    meter.add_probed({10, 10}, {1e6, 0});
  }
  CHECK_FALSE(meter.is_corrected());
  CHECK(meter.hit_seconds() == Approx(uncorrected));
}

TEST_CASE("the more hits were seen, the more the process's own times count", "[cost]") {
  double last = uncorrected;
  for (const double hits : {6e4, 1e5, 2e5, 3e5}) {
    CostMeter meter(loop_hit);
    meter.add_free({10, 0});
    meter.add_probed({1, 3e-6 * hits}, {hits, 0});
    CAPTURE(hits);
    CHECK(meter.is_corrected());
    CHECK(meter.hit_seconds() > last);
    last = meter.hit_seconds();
  }
  CHECK(last == Approx(3e-6 * 1.35));
  CostMeter plenty(loop_hit);
  plenty.add_free({10, 0});
  plenty.add_probed({1, 3}, {1e6, 0});
  CHECK(plenty.hit_seconds() == Approx(last));
}

TEST_CASE("the cost of a hit is found", "[cost]") {
  for (const double tick : {0.0, 0.01})
    for (const double hit : {1e-6, 1.3e-6, 2e-6, 4e-6})
      for (const double share : {0.0, 0.05, 0.2, 0.5}) {
        CAPTURE(tick, hit, share);
        Process process;
        process.tick_seconds = tick;
        process.hit_seconds = hit;
        process.system_share = share;
        CostMeter meter(loop_hit);
        meter_windows(meter, process, 100);
        CHECK(meter.is_corrected());
        CHECK(meter.hit_seconds() == Approx(hit).epsilon(0.2));
        CHECK(meter.cost_seconds(process.work) == Approx(process.work.hits * hit).epsilon(0.2));
      }
}

TEST_CASE("the cost of a hit is found where the kernel does much of the work", "[cost]") {
  for (const double share : {1.0, 1.5}) {
    CAPTURE(share);
    Process process;
    process.system_share = share;
    CostMeter meter(loop_hit);
    meter_windows(meter, process, 100);
    CHECK(meter.hit_seconds() == Approx(process.hit_seconds).epsilon(0.2));
  }
}

TEST_CASE("few hits and coarse ticks do not lead far astray", "[cost]") {
  Process process;
  process.tick_seconds = 0.01;
  process.hits_per_user = 2e4; // 4 percent of its user time
  CostMeter meter(loop_hit);
  for (int i = 0; i < 50; i++) {
    meter_windows(meter, process, 5);
    CHECK(meter.hit_seconds() >= 0.7 * loop_hit);
    CHECK(meter.hit_seconds() <= 5 * loop_hit);
  }
  CHECK(meter.hit_seconds() == Approx(process.hit_seconds).epsilon(0.35));
}

TEST_CASE("what following takes is no cost of hits", "[cost]") {
  const auto metered = [](double following_seconds) {
    CostMeter meter(loop_hit);
    meter.add_free({10, 1});
    meter.add_probed({10, 3}, {1e6, following_seconds});
    return meter;
  };
  // The same times, of which some were following.
  CHECK(metered(0).hit_seconds() - metered(0.5).hit_seconds() == Approx(0.5e-6));
  CHECK(metered(0.5).cost_seconds({1e6, 0.5}) == Approx(metered(0).cost_seconds({1e6, 0})));
  CHECK(metered(0.5).cost_seconds({0, 0.5}) == Approx(0.5));
  for (const double tick : {0.0, 0.01})
    for (const double share : {0.1, 0.4}) {
      CAPTURE(tick, share);
      Process process;
      process.tick_seconds = tick;
      process.following_share = share;
      CostMeter meter(loop_hit);
      meter_windows(meter, process, 100);
      CHECK(meter.hit_seconds() == Approx(process.hit_seconds).epsilon(0.2));
      CHECK(meter.cost_seconds(process.work) ==
            Approx(process.work.hits * process.hit_seconds + process.work.following_seconds)
                .epsilon(0.2));
    }
}

TEST_CASE("a hit's cost stays within what can be", "[cost]") {
  CostMeter dear(loop_hit);
  dear.add_free({10, 1});
  dear.add_probed({1, 100}, {1e6, 0});
  CHECK(dear.hit_seconds() == Approx(5 * loop_hit));
  CostMeter cheap(loop_hit);
  cheap.add_free({10, 1});
  cheap.add_probed({10, 0}, {1e6, 0});
  CHECK(cheap.hit_seconds() == Approx(0.7 * loop_hit));
  CostMeter followed(loop_hit);
  followed.add_free({10, 1});
  followed.add_probed({10, 3}, {1e6, 50});
  CHECK(followed.hit_seconds() == Approx(0.7 * loop_hit));
}

TEST_CASE("what is long ago counts less", "[cost]") {
  Process process;
  process.system_share = 0.1;
  process.hit_seconds = 1.2e-6;
  CostMeter meter(loop_hit);
  meter_windows(meter, process, 300);
  CHECK(meter.hit_seconds() == Approx(1.2e-6).epsilon(0.2));
  process.hit_seconds = 3.5e-6;
  meter_windows(meter, process, 300);
  CHECK(meter.hit_seconds() == Approx(3.5e-6).epsilon(0.2));
  // And it does not change while the process does not.
  const double settled = meter.hit_seconds();
  meter_windows(meter, process, 300);
  CHECK(meter.hit_seconds() == Approx(settled).epsilon(0.1));
}

TEST_CASE("the part of a cost that is user time is a part of it", "[cost]") {
  CHECK(CostMeter::user_part(0) == 0);
  CHECK(CostMeter::user_part(1) > 0.1);
  CHECK(CostMeter::user_part(1) < 0.5);
  CHECK(CostMeter::user_part(10) == Approx(10 * CostMeter::user_part(1)));
}

TEST_CASE("probes cost a process no more than the time that it took", "[cost]") {
  // A loop that does nothing but allocate pays with nearly all of its time, and a model that adds
  // user time for cold caches, which the loop does not have, would say 1.22 of it.
  CostBound loop;
  double sum = 0;
  for (int i = 0; i < 100; i++)
    sum += loop.bounded(0.122, 0.1);
  CHECK(sum == Approx(10));
  // Then it does other work, and owes hardly anything of before.
  double later = 0;
  for (int i = 0; i < 100; i++)
    later += loop.bounded(0.01, 0.1);
  CHECK(later == Approx(1).margin(0.021));
}

TEST_CASE("ticks do not take from a cost", "[cost]") {
  CostBound bound;
  double sum = 0;
  double told = 0;
  for (int i = 1; i <= 1000; i++) { // 4 ms of each 5 ms, told in ticks of 10 ms
    const double now = std::floor(i * 0.005 / 0.01 + 1e-9) * 0.01;
    sum += bound.bounded(0.004, now - told);
    told = now;
  }
  CHECK(sum == Approx(4).margin(0.02));
}

TEST_CASE("idle time of before pays for no hits of now", "[cost]") {
  CostBound bound;
  CHECK(bound.bounded(0, 100) == 0);
  CHECK(bound.bounded(5, 1) <= 1.021);
  CHECK(bound.bounded(0, 0) == 0);
  CHECK(bound.bounded(1, 3) == Approx(1).margin(0.021));
}

TEST_CASE("CPU times and work add and subtract by their parts", "[cost]") {
  CpuTimes times{1, 2};
  times += {10, 20};
  const CpuTimes rest = times - CpuTimes{3, 4};
  CHECK(rest.user == 8);
  CHECK(rest.system == 18);
  ProbeWork work{100, 1};
  work += {50, 2};
  const ProbeWork left = work - ProbeWork{30, 0.5};
  CHECK(left.hits == 120);
  CHECK(left.following_seconds == 2.5);
}

} // namespace
} // namespace leakbpf
