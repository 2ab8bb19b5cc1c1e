// SPDX-License-Identifier: Apache-2.0
#include "core/verdict.h"
#include "megabyte.h"

#include <algorithm>
#include <string>

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

namespace leakbpf {
namespace {

using Catch::Approx;

/// A line over 240 s.
Trend growing(double megabytes_per_minute) {
  Trend trend;
  trend.shape = TrendShape::growing;
  trend.rate = trend.first_rate = trend.projected = trend.lower = trend.upper =
      megabytes_per_minute * megabyte / 60;
  trend.rise = trend.rate * 240;
  trend.span_seconds = 240;
  trend.tau = 1;
  trend.rises = trend.intervals = 11;
  return trend;
}

Trend shaped(TrendShape shape) {
  Trend trend = growing(0);
  trend.shape = shape;
  return trend;
}

TargetEvidence evidence_of(const Trend& memory) {
  TargetEvidence evidence;
  evidence.seconds = 300;
  evidence.memory = memory;
  evidence.outstanding = memory;
  evidence.limit = LimitUse{{24ULL << 30, "RAM"}, 1e9, 20e9};
  return evidence;
}

bool says(const Verdict& verdict, const std::string& part) {
  return std::any_of(verdict.reasons.begin(), verdict.reasons.end(),
                     [&](const auto& reason) { return reason.find(part) != std::string::npos; });
}

TEST_CASE("pages that were turned to explain what allocations do not", "[verdict]") {
  TargetEvidence evidence = evidence_of(growing(10));
  evidence.outstanding = shaped(TrendShape::flat);
  evidence.pages_seconds = 40;
  SiteEvidence touching;
  touching.trend = growing(9.5);
  touching.old_survival_percent = 100;
  weigh_site(evidence, touching, LEAKBPF_KIND_PAGES, 100);
  CHECK(is_shown_by_pages(evidence));
  CHECK(evidence.sites.rate == 0);
  TargetJudgement judged = judge_target(evidence);
  CHECK(judged.explained_percent.value() > 94);
  CHECK(says(judged.verdict, "allocations account for 0% of it, first touches of pages for 95%"));
  CHECK_FALSE(says(judged.verdict, "--kinds pages"));
  evidence.outstanding = growing(8);
  CHECK_FALSE(is_shown_by_pages(evidence));
  evidence.outstanding = shaped(TrendShape::flat);
  evidence.touched = {};
  CHECK_FALSE(is_shown_by_pages(evidence));
  CHECK(needs_pages(evidence)); // who touches them is shown, though not yet judged
  CHECK(says(judge_target(evidence).verdict, "its page faults have been traced for 40s"));
}

TEST_CASE("where pages of files make room, pages explain what is no file's", "[verdict]") {
  TargetEvidence evidence = evidence_of(shaped(TrendShape::flat));
  evidence.anonymous = growing(10);
  CHECK_FALSE(needs_pages(evidence));
  evidence.pages_seconds = 40;
  CHECK(needs_pages(evidence));
  evidence.outstanding = growing(9);
  CHECK_FALSE(needs_pages(evidence));
}

TEST_CASE("pages that were asked for are what the sums are of", "[verdict]") {
  TargetEvidence evidence = evidence_of(growing(10));
  evidence.by_pages = true;
  SiteEvidence touching;
  touching.trend = growing(9.5);
  touching.old_survival_percent = 100;
  weigh_site(evidence, touching, LEAKBPF_KIND_PAGES, 100);
  CHECK(evidence.touched.rate == 0);
  CHECK(evidence.sites.rate > 0);
}

TEST_CASE("thresholds are 1, 5 and 50 MB a minute", "[verdict]") {
  const auto severity = [](double rate) {
    return judge_target(evidence_of(growing(rate))).verdict.severity.value();
  };
  CHECK(severity(0.3) == Severity::low);
  CHECK(severity(0.99) == Severity::low);
  CHECK(severity(1.01) == Severity::medium);
  CHECK(severity(4.99) == Severity::medium);
  CHECK(severity(5.01) == Severity::high);
  CHECK(severity(49.9) == Severity::high);
  CHECK(severity(50.1) == Severity::critical);
}

TEST_CASE("a limit that is near makes slow growth critical", "[verdict]") {
  TargetEvidence evidence = evidence_of(growing(0.5));
  evidence.limit = LimitUse{{512 << 20, "cgroup /shop"}, 400 * megabyte, 112 * megabyte};
  TargetJudgement judged = judge_target(evidence);
  CHECK(judged.verdict.severity == Severity::low);
  CHECK(judged.seconds_to_limit.value() == Approx(112 / 0.5 * 60));
  CHECK(says(judged.verdict, "the limit of 512 MB (cgroup /shop) is reached in 3h44m"));
  SECTION("within an hour") {
    evidence.limit->left = 29 * megabyte;
    judged = judge_target(evidence);
    CHECK(judged.verdict.severity == Severity::critical);
  }
  SECTION("nine tenths used") {
    evidence.limit->used = 461 * megabyte;
    judged = judge_target(evidence);
    CHECK(judged.verdict.severity == Severity::critical);
    CHECK(says(judged.verdict, "90% of the limit of 512 MB"));
  }
  SECTION("but not without growth") {
    evidence.memory = shaped(TrendShape::flat);
    evidence.limit->used = 510 * megabyte;
    judged = judge_target(evidence);
    CHECK(judged.verdict.severity == Severity::none);
    CHECK_FALSE(judged.seconds_to_limit);
  }
}

TEST_CASE("what does not last is no leak, and the reason says what it was", "[verdict]") {
  const auto judged = [](TrendShape shape) { return judge_target(evidence_of(shaped(shape))); };
  CHECK(judged(TrendShape::flat).verdict.severity == Severity::none);
  CHECK(says(judged(TrendShape::flat).verdict, "does not grow"));
  Trend steps = shaped(TrendShape::flat); // a growth is shown beside the sentence
  steps.rate = megabyte / 60;
  steps.rise = 5 * megabyte;
  CHECK(judge_target(evidence_of(steps)).verdict.severity == Severity::none);
  CHECK(says(judge_target(evidence_of(steps)).verdict, "RSS rose by 5.0 MB, in "));
  CHECK(judged(TrendShape::up_and_down).verdict.severity == Severity::none);
  CHECK(says(judged(TrendShape::up_and_down).verdict, "comes back down"));
  CHECK(judged(TrendShape::levelled).verdict.severity == Severity::none);
  CHECK(says(judged(TrendShape::levelled).verdict, "has stopped"));
}

TEST_CASE("with too little data there is no verdict", "[verdict]") {
  CHECK_FALSE(judge_target({}).verdict.severity);
  CHECK_FALSE(judge_target(evidence_of(shaped(TrendShape::too_short))).verdict.severity);
  CHECK_FALSE(judge_site({}).verdict.severity);
}

TEST_CASE("growth that slows down is judged by where it leads", "[verdict]") {
  Trend slowing = growing(3);
  slowing.shape = TrendShape::slowing;
  slowing.projected = 0.4 * megabyte / 60;
  const TargetJudgement judged = judge_target(evidence_of(slowing));
  CHECK(judged.verdict.severity == Severity::low);
  CHECK(says(judged.verdict, "growth is slowing"));
  CHECK(judged.growth_bytes_per_minute.value() == Approx(3 * megabyte));
}

TEST_CASE("what sites surely do is taken from them, not from a noisy RSS", "[verdict]") {
  Trend slowing = growing(1.2);
  slowing.shape = TrendShape::slowing;
  slowing.projected = 0.3 * megabyte / 60;
  slowing.upper = 2.4 * megabyte / 60;
  TargetEvidence evidence = evidence_of(slowing);
  evidence.sites = {2 * megabyte / 60, 2 * megabyte / 60, 100}; // a line
  CHECK(judge_target(evidence).verdict.severity == Severity::medium);
  CHECK_FALSE(says(judge_target(evidence).verdict, "growth is slowing"));
  evidence.memory = growing(1.3); // and the other way round: the sites slow down
  evidence.sites = {1.2 * megabyte / 60, 0.3 * megabyte / 60, 100};
  CHECK(judge_target(evidence).verdict.severity == Severity::low);
  evidence.sites = {20 * megabyte / 60, 20 * megabyte / 60, 100}; // memory that is not touched
  CHECK(judge_target(evidence).verdict.severity == Severity::medium);
}

TEST_CASE("in a short run growth that nothing explains is taken more mildly", "[verdict]") {
  TargetEvidence evidence = evidence_of(growing(2));
  evidence.seconds = 60;
  CHECK(judge_target(evidence).verdict.severity == Severity::medium);
  evidence.outstanding = shaped(TrendShape::flat);
  CHECK(judge_target(evidence).verdict.severity == Severity::low);
  CHECK(says(judge_target(evidence).verdict, "because 1m00s is a short run"));
  evidence.seconds = 300;
  CHECK(judge_target(evidence).verdict.severity == Severity::medium);
}

TEST_CASE("only sites that surely grow say something of their target", "[verdict]") {
  TargetEvidence target;
  SiteEvidence site;
  site.trend = growing(6);
  site.old_survival_percent = 100;
  weigh_site(target, site, LEAKBPF_KIND_HEAP, 7);
  weigh_site(target, site, LEAKBPF_KIND_MMAP, 2);
  weigh_site(target, site, LEAKBPF_KIND_PYTHON, 50); // lies in the arenas
  site.old_survival_percent = 3;
  weigh_site(target, site, LEAKBPF_KIND_HEAP, 1000);
  CHECK(target.sites.rate == Approx(2 * 6 * megabyte / 60));
  CHECK(target.sites.blocks == 9);
  CHECK(target.heap_sites.rate == Approx(6 * megabyte / 60));
  CHECK(target.heap_sites.blocks == 7);
  site.old_survival_percent = 100;
  target.by_pages = true;
  weigh_site(target, site, LEAKBPF_KIND_PAGES, 5);
  CHECK(target.heap_sites.blocks == 12);
}

TEST_CASE("what outstanding bytes do not explain is said in words", "[verdict]") {
  TargetEvidence evidence = evidence_of(growing(10));
  CHECK(judge_target(evidence).explained_percent.value() == Approx(100));
  evidence.outstanding = growing(2);
  TargetJudgement judged = judge_target(evidence);
  CHECK(judged.explained_percent.value() == Approx(20));
  CHECK(says(judged.verdict, "only 20% of it: the rest is heap fragmentation"));
  CHECK(says(judged.verdict, "--kinds pages"));
  evidence.file = growing(8);
  CHECK(says(judge_target(evidence).verdict, "file-backed pages grow 8"));
  evidence.file.reset();
  evidence.shared = growing(7);
  CHECK(says(judge_target(evidence).verdict, "shared memory"));
  evidence.outstanding = shaped(TrendShape::flat);
  CHECK(judge_target(evidence).explained_percent.value() == 0);
  evidence.sites.rate = 9 * megabyte / 60; // seen by itself, though not in the sum
  CHECK(judge_target(evidence).explained_percent.value() == Approx(90));
  evidence.memory = shaped(TrendShape::flat);
  CHECK_FALSE(judge_target(evidence).explained_percent);
}

TEST_CASE("a heap that gains room is fragmented, and does not leak", "[verdict]") {
  TargetEvidence evidence = evidence_of(growing(10));
  evidence.outstanding = shaped(TrendShape::flat);
  CHECK(judge_target(evidence).verdict.severity == Severity::high);
  evidence.room = RoomGrowth{0.95, 0.95, 8 * megabyte};
  evidence.memory->lower = evidence.memory->rate * 0.9;
  evidence.pages_seconds = 40;
  TargetJudgement judged = judge_target(evidence);
  CHECK(judged.verdict.severity == Severity::low);
  CHECK(says(judged.verdict, "0% of it, 95% is fragmentation: free space in the heap grows "
                             "9.5 MB/min, to 8.0 MB"));
  CHECK_FALSE(says(judged.verdict, "the rest is"));
  CHECK_FALSE(needs_pages(evidence));
  SECTION("what leaks beside it counts") {
    evidence.room->share = evidence.room->most_share = 0.4;
    evidence.sites.rate = evidence.sites.projected = 6 * megabyte / 60;
    CHECK(judge_target(evidence).verdict.severity == Severity::high);
  }
  SECTION("so does what nothing explains") {
    evidence.room->share = evidence.room->most_share = 0.3;
    evidence.memory->lower = evidence.memory->rate * 0.2; // as in a short run
    judged = judge_target(evidence);
    CHECK(judged.verdict.severity == Severity::high);
    CHECK(says(judged.verdict, "30% is fragmentation"));
    CHECK(says(judged.verdict, "; the rest is"));
    CHECK(needs_pages(evidence));
  }
  SECTION("what may be room, too, is not certain to leak") {
    evidence.memory = growing(30);
    evidence.room->share = 0.9;
    evidence.room->most_share = 0.99;
    CHECK(judge_target(evidence).verdict.severity == Severity::low);
    evidence.room->most_share = 0.9;
    CHECK(judge_target(evidence).verdict.severity == Severity::medium);
  }
  SECTION("a suppressed trickle beside it hides no limit") {
    evidence.suppressed_rate = 0.2 * megabyte / 60;
    evidence.limit->used = 0.95 * static_cast<double>(evidence.limit->limit.bytes);
    CHECK(judge_target(evidence).verdict.severity == Severity::critical);
  }
  SECTION("it fills the memory that the process may have") {
    evidence.limit->used = 0.95 * static_cast<double>(evidence.limit->limit.bytes);
    CHECK(judge_target(evidence).verdict.severity == Severity::critical);
  }
}

TEST_CASE("a row that takes the place of others is no leak", "[verdict]") {
  SiteEvidence evidence;
  evidence.old_survival_percent = 100;
  evidence.replaces = true;
  evidence.trend = growing(5).scaled(0);
  const SiteJudgement none = judge_site(evidence);
  CHECK(none.verdict.severity == Severity::none);
  CHECK(says(none.verdict, "it replaces blocks from before the attach"));
  evidence.trend = growing(20).scaled(0.5);
  const SiteJudgement rest = judge_site(evidence);
  CHECK(rest.verdict.severity == Severity::high);
  CHECK(says(rest.verdict, "scaled down to the growth of the heap's blocks"));
}

TEST_CASE("a heap that fills from the inside is told", "[verdict]") {
  TargetEvidence evidence = evidence_of(shaped(TrendShape::flat));
  evidence.heap_sites.rate = 8 * megabyte / 60;
  TargetJudgement judged = judge_target(evidence);
  CHECK(judged.verdict.severity == Severity::low);
  CHECK(says(judged.verdict, "the RSS follows when that is used up"));
  evidence.replaced_share = 0.9;
  judged = judge_target(evidence);
  CHECK(judged.verdict.severity == Severity::none);
  CHECK(says(judged.verdict, "but replace blocks from before the attach"));
}

TEST_CASE("growth of suppressed stacks does not count", "[verdict]") {
  TargetEvidence evidence = evidence_of(growing(8));
  evidence.suppressed_rate = 6 * megabyte / 60;
  CHECK(judge_target(evidence).verdict.severity == Severity::medium);
  evidence.suppressed_rate = 7.9 * megabyte / 60;
  CHECK(judge_target(evidence).verdict.severity == Severity::none);
  CHECK(says(judge_target(evidence).verdict, "suppressed"));
  evidence.sites = {3 * megabyte / 60, 3 * megabyte / 60, 100}; // of another site, not suppressed
  CHECK(judge_target(evidence).verdict.severity == Severity::medium);
}

TEST_CASE("what suppressed stacks take is compared with growth as far as that is certain",
          "[verdict]") {
  TargetEvidence evidence = evidence_of(growing(9));
  evidence.suppressed_rate = 7.5 * megabyte / 60;
  CHECK(judge_target(evidence).verdict.severity == Severity::medium);
  evidence.memory->lower = 7 * megabyte / 60;
  evidence.memory->upper = 11 * megabyte / 60;
  CHECK(judge_target(evidence).verdict.severity == Severity::none);
  evidence.suppressed_rate = 6 * megabyte / 60;
  CHECK(judge_target(evidence).verdict.severity == Severity::medium);
}

TEST_CASE("containers and allocations are two views of one growth", "[verdict]") {
  TargetEvidence evidence = evidence_of(growing(10));
  evidence.outstanding = growing(2);
  evidence.held.rate = evidence.held.projected = 8 * megabyte / 60;
  CHECK(says(judge_target(evidence).verdict, "growing containers account for 80% of it"));
  CHECK(judge_target(evidence).explained_percent.value() == Approx(80));
  evidence.held.rate = evidence.held.projected = 3 * megabyte / 60;
  CHECK(says(judge_target(evidence).verdict, "growing containers account for only 30% of it: "));
  evidence.held.rate = evidence.held.projected = megabyte / 60;
  CHECK(says(judge_target(evidence).verdict, "outstanding allocations account for only 20%"));
}

TEST_CASE("growing containers inside memory that is there already are told", "[verdict]") {
  TargetEvidence evidence = evidence_of(shaped(TrendShape::flat));
  evidence.held.rate = evidence.held.projected = 0.5 * megabyte / 60;
  const Verdict verdict = judge_target(evidence).verdict;
  CHECK(verdict.severity == Severity::low);
  CHECK(says(verdict, "but containers grow "));
}

TEST_CASE("where containers alone are looked at nothing is said of allocations", "[verdict]") {
  TargetEvidence evidence = evidence_of(growing(10));
  evidence.held_only = true;
  evidence.no_held = "no container could be read";
  const Verdict verdict = judge_target(evidence).verdict;
  CHECK(says(verdict, "growing containers account for only 0% of it"));
  CHECK(says(verdict, "a run without --kinds held"));
  CHECK(says(verdict, "no container could be read"));
  CHECK(!says(verdict, "fragmentation"));
}

TEST_CASE("a process that was just started has no verdict", "[verdict]") {
  TargetEvidence evidence = evidence_of(growing(200));
  evidence.seconds = 25;
  evidence.young = true;
  CHECK_FALSE(judge_target(evidence).verdict.severity);
  CHECK(says(judge_target(evidence).verdict, "only 25s observed"));
}

TEST_CASE("a leak that takes the place of file pages is found", "[verdict]") {
  TargetEvidence evidence = evidence_of(shaped(TrendShape::flat));
  evidence.anonymous = growing(8);
  const TargetJudgement judged = judge_target(evidence);
  CHECK(judged.verdict.severity == Severity::high);
  CHECK(says(judged.verdict, "anonymous memory grows 8.0 MB/min"));
  CHECK(says(judged.verdict, "file-backed pages are being reclaimed"));
}

TEST_CASE("losses are named, and weaken what was said of sites", "[verdict]") {
  TargetEvidence target = evidence_of(growing(8));
  target.losses = {0.3, {"1,000 blocks not tracked"}};
  CHECK(says(judge_target(target).verdict, "lost: 1,000 blocks not tracked"));
  SiteEvidence site;
  site.trend = growing(8);
  site.old_survival_percent = 100;
  site.survival_age_seconds = 30;
  const SiteJudgement whole = judge_site(site);
  site.target = &target;
  const SiteJudgement weak = judge_site(site);
  CHECK(whole.verdict.severity == Severity::high);
  CHECK(weak.verdict.severity == Severity::medium);
  CHECK(weak.score.value() == Approx(0.7 * whole.score.value()));
  CHECK(says(weak.verdict, "30% of the allocations"));
}

TEST_CASE("a site's reasons tell how it grew and what survives", "[verdict]") {
  SiteEvidence site;
  site.trend = growing(12.4);
  site.old_survival_percent = 99;
  site.survival_age_seconds = 30;
  const SiteJudgement judged = judge_site(site);
  CHECK(judged.verdict.severity == Severity::high);
  CHECK(says(judged.verdict, "grew in 11 of 11 intervals, 12.4 MB/min"));
  CHECK(says(judged.verdict, "of the bytes allocated more than 30s ago, 99% are still live"));
  CHECK(judged.score.value() == Approx(0.995));
  site.old_survival_percent = 0;
  CHECK(judge_site(site).score.value() == Approx(0.5));
  site.trend = shaped(TrendShape::flat);
  CHECK(judge_site(site).score.value() == 0);
}

TEST_CASE("a site that churns must grow steadily to be blamed", "[verdict]") {
  SiteEvidence site;
  site.trend = growing(6);
  site.trend->tau = 0.6;
  site.old_survival_percent = 8;
  site.survival_age_seconds = 30;
  CHECK(judge_site(site).verdict.severity == Severity::none);
  CHECK(says(judge_site(site).verdict,
             "but of the bytes allocated more than 30s ago, only 8% are still live: it churns"));
  site.trend->tau = 0.9;
  CHECK(judge_site(site).verdict.severity == Severity::high);
  site.trend->tau = 0.6;
  site.old_survival_percent = 90;
  CHECK(judge_site(site).verdict.severity == Severity::high);
}

TEST_CASE("a site that takes the place of old blocks is no leak", "[verdict]") {
  TargetEvidence target = evidence_of(shaped(TrendShape::flat));
  target.replaced_share = 0.95;
  SiteEvidence site;
  site.trend = growing(20);
  site.target = &target;
  CHECK(judge_site(site).verdict.severity == Severity::low);
  target.memory = growing(20); // the RSS does grow
  CHECK(judge_site(site).verdict.severity == Severity::high);
}

} // namespace
} // namespace leakbpf
