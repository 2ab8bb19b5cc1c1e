// SPDX-License-Identifier: Apache-2.0
// Verdicts on simulated runs of 300 s: a shape of memory over time beside a churn whose noise is
// correlated, as the one of a real allocator is; 50 seeds a shape, of which 49 must be right.
#include "core/growth_record.h"
#include "core/verdict.h"
#include "megabyte.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

namespace leakbpf {
namespace {

constexpr double shape_run = 300;
constexpr double shape_step = 2.5;
constexpr std::uint32_t target = 1;
constexpr unsigned seeds = 50;

/// Megabytes beyond the churn at `t` seconds. It may draw its own randomness.
using Shape = std::function<double(double t, std::mt19937_64& random)>;

/// A random walk that is drawn back to 0 within `seconds`.
class Noise {
public:
  Noise(double deviation, double seconds)
      : keep_(std::exp(-shape_step / seconds)), push_(deviation * std::sqrt(1 - keep_ * keep_)) {}
  double next(std::mt19937_64& random) {
    value_ = keep_ * value_ + push_ * gauss_(random);
    return value_;
  }

private:
  double keep_;
  double push_;
  double value_ = 0;
  std::normal_distribution<double> gauss_;
};

struct Outcome {
  TargetJudgement judged;
  std::vector<SiteJudgement> sites; ///< the shape's own site first
};

SiteTotals outstanding(double bytes, double churned) {
  const auto taken = static_cast<std::uint64_t>(bytes + churned);
  return {taken, taken / 1000, static_cast<std::uint64_t>(churned),
          static_cast<std::uint64_t>(churned) / 1000};
}

/// A process with `churning` sites that hold what they hold, and one that has the shape.
Outcome simulate(const Shape& shape, unsigned seed, unsigned churning) {
  std::mt19937_64 random(seed * 7919 + 1);
  GrowthRecord record;
  std::vector<Noise> churn(churning, Noise(0.3 / std::sqrt(churning), 2));
  Noise resident(0.06, 4);
  for (double t = 0; t <= shape_run; t += shape_step) {
    record.begin_sample(t);
    const double own = std::max(shape(t, random), 0.0) * megabyte;
    double all = own;
    record.put_site({target, LEAKBPF_KIND_HEAP, 1}, outstanding(own, 0));
    for (unsigned i = 0; i < churning; i++) {
      // What was there at the attach is unknown; what churns becomes known within seconds.
      const double held =
          (8.0 / churning * (1 - std::exp(-t / 3)) + churn[i].next(random)) * megabyte;
      all += held;
      record.put_site({target, LEAKBPF_KIND_HEAP, 2 + i},
                      outstanding(std::max(held, 0.0), t * megabyte));
    }
    record.put_target(target, TargetSeries::memory,
                      60 * megabyte + own + resident.next(random) * megabyte);
    record.put_target(target, TargetSeries::outstanding, all);
  }
  TargetEvidence evidence;
  evidence.seconds = shape_run;
  evidence.memory = record.target_trend(target, TargetSeries::memory, 0);
  evidence.outstanding = record.target_trend(target, TargetSeries::outstanding, 0);
  evidence.limit = LimitUse{{24ULL << 30, "RAM"}, 70 * megabyte, 20.0 * 1024 * megabyte};
  Outcome outcome;
  for (std::uint64_t site = 1; site <= churning + 1; site++) {
    SiteEvidence of_site;
    of_site.trend = record.site_trend({target, LEAKBPF_KIND_HEAP, site}, 0);
    of_site.old_survival_percent = site == 1 ? 100 : 1;
    of_site.survival_age_seconds = 30;
    outcome.sites.push_back(judge_site(of_site));
    weigh_site(evidence, of_site, LEAKBPF_KIND_HEAP, 100);
  }
  outcome.judged = judge_target(evidence);
  return outcome;
}

using Severities = std::vector<Severity>;

/// How many of 50 runs have one of `right` as the severity of the target.
unsigned right_runs(const Shape& shape, const Severities& right, unsigned churning = 10) {
  unsigned count = 0;
  std::map<std::string, unsigned> got;
  for (unsigned seed = 0; seed < seeds; seed++) {
    const Outcome outcome = simulate(shape, seed, churning);
    const auto severity = outcome.judged.verdict.severity;
    REQUIRE(severity);
    got[std::string(severity_name(*severity))]++;
    count += std::find(right.begin(), right.end(), *severity) != right.end() ? 1U : 0U;
  }
  for (const auto& [name, times] : got)
    UNSCOPED_INFO(name << ": " << times);
  return count;
}

Shape linear(double rate) {
  return [rate](double t, std::mt19937_64&) { return rate * t / 60; };
}

constexpr unsigned enough = 49;

TEST_CASE("a steady process has no leak", "[verdict]") {
  CHECK(right_runs(linear(0), {Severity::none}) >= enough);
}

TEST_CASE("a burst that is freed is no leak", "[verdict]") {
  const double begin = GENERATE(0.25, 0.4, 0.6);
  const Shape burst = [begin](double t, std::mt19937_64&) {
    return t > begin * shape_run && t < (begin + 0.3) * shape_run ? 60.0 : 0.0;
  };
  CHECK(right_runs(burst, {Severity::none}) >= enough);
}

TEST_CASE("a sawtooth is no leak", "[verdict]") {
  const double teeth = GENERATE(2.5, 4, 8, 20);
  const Shape saw = [teeth](double t, std::mt19937_64&) {
    return std::fmod(t + shape_run / 9, shape_run / teeth) / (shape_run / teeth) * 20;
  };
  CHECK(right_runs(saw, {Severity::none}) >= enough);
}

TEST_CASE("a cache that fills and then evicts is no leak", "[verdict]") {
  const Shape cache = [eviction = Noise(0.5, 10)](double t, std::mt19937_64& random) mutable {
    return t < 0.35 * shape_run ? 40 * t / (0.35 * shape_run) : 40 + eviction.next(random);
  };
  CHECK(right_runs(cache, {Severity::none}) >= enough);
}

TEST_CASE("a cache that has filled at 60 percent of the run is no leak", "[verdict]") {
  const Shape cache = [](double t, std::mt19937_64&) {
    return std::min(t / (0.6 * shape_run), 1.0) * 40;
  };
  CHECK(right_runs(cache, {Severity::none}) >= enough);
}

TEST_CASE("linear leaks have the severity of their rate", "[verdict]") {
  CHECK(right_runs(linear(0.2), {Severity::low}) >= enough);
  CHECK(right_runs(linear(2), {Severity::medium}) >= enough);
  CHECK(right_runs(linear(8), {Severity::high}) >= enough);
  CHECK(right_runs(linear(80), {Severity::critical}) >= enough);
}

TEST_CASE("a leak that starts in mid-run is found, at its own rate", "[verdict]") {
  const auto late = [](double rate) {
    return
        [rate](double t, std::mt19937_64&) { return std::max(t - shape_run / 2, 0.0) * rate / 60; };
  };
  CHECK(right_runs(late(3), {Severity::medium}) >= enough);
  CHECK(right_runs(late(20), {Severity::high}) >= enough);
}

TEST_CASE("growth like a logarithm is no leak", "[verdict]") {
  const Shape log = [](double t, std::mt19937_64&) {
    return 20 / std::log(31) * std::log(1 + t / (shape_run / 30));
  };
  CHECK(right_runs(log, {Severity::none, Severity::low}) >= enough);
}

TEST_CASE("a load that comes and goes like days is no leak", "[verdict]") {
  const double days = GENERATE(2.5, 4, 7);
  const double phase = GENERATE(0.0, 2.0, 4.0);
  const Shape waves = [days, phase](double t, std::mt19937_64&) {
    return 20 + 20 * std::sin(2 * 3.14159265 * t / (shape_run / days) + phase);
  };
  CHECK(right_runs(waves, {Severity::none}) >= enough);
}

TEST_CASE("a leak under a load like days is found", "[verdict]") {
  const Shape both = [](double t, std::mt19937_64&) {
    return 8 * t / 60 + 5 + 5 * std::sin(2 * 3.14159265 * t / (shape_run / 7));
  };
  CHECK(right_runs(both, {Severity::high, Severity::medium}) >= enough);
}

TEST_CASE("one leaking site of 200 is the one that is blamed", "[verdict]") {
  unsigned right = 0;
  for (unsigned seed = 0; seed < seeds; seed++) {
    const Outcome outcome = simulate(linear(4), seed, 200);
    const bool first = outcome.sites.front().verdict.severity == Severity::medium;
    const auto others = std::count_if(
        outcome.sites.begin() + 1, outcome.sites.end(), [](const SiteJudgement& site) {
          return site.score.value_or(0) >= 0.5 || is_leak(site.verdict.severity.value());
        });
    right += first && others == 0 && outcome.judged.verdict.severity == Severity::medium ? 1U : 0U;
  }
  CHECK(right >= enough);
}

} // namespace
} // namespace leakbpf
