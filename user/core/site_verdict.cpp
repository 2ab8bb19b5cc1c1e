// SPDX-License-Identifier: Apache-2.0
#include "core/units.h"
#include "core/verdict.h"
#include "core/verdict_words.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// Score of a site whose growth counts although that of its target is not told from noise: of many
// that churn, some seem to grow by chance.
constexpr double surely_growing = 0.8;

std::string survival_text(const SiteEvidence& evidence, std::string_view only = "") {
  return fmt::format("of the bytes allocated more than {} ago, {}{:.0f}% are still live",
                     format_duration(evidence.survival_age_seconds.value_or(0)), only,
                     *evidence.old_survival_percent);
}

/// Of many sites that churn, some seem to grow by chance for a while: one that gives back most of
/// what it takes has to grow more steadily.
bool is_chance(const SiteEvidence& evidence) {
  constexpr double mostly_given_back = 50;
  constexpr double steadily = 0.8;
  return evidence.old_survival_percent.value_or(100) < mostly_given_back &&
         evidence.trend->tau < steadily;
}

/// What the target as a whole says against a site that grows.
void weigh_target(const TargetEvidence& target, SiteJudgement& judged) {
  Severity& severity = *judged.verdict.severity;
  if (target.memory && target.memory->shape != TrendShape::too_short &&
      !target.memory->sustained() && target.replaced_share >= mostly_replaced) {
    severity = std::min(severity, Severity::low);
    judged.verdict.reasons.emplace_back(
        "the RSS does not grow: it replaces blocks from before the attach");
  }
  if (target.losses.share >= many_lost) {
    severity = one_lower(severity);
    judged.verdict.reasons.push_back(
        fmt::format("graded one step lower: {:.0f}% of the allocations could not be tracked",
                    target.losses.share * 100));
  }
}

} // namespace

double score_of(const SiteEvidence& evidence) {
  if (!evidence.trend || !evidence.trend->sustained())
    return 0;
  const Trend& trend = *evidence.trend;
  const double survival = evidence.old_survival_percent.value_or(50) / 100;
  const double left = trend.rate > 0 ? std::clamp(trend.projected / trend.rate, 0.0, 1.0) : 0;
  const double followed = evidence.target ? 1 - evidence.target->losses.share : 1;
  return std::clamp(trend.tau, 0.0, 1.0) * (0.5 + 0.5 * std::clamp(survival, 0.0, 1.0)) * left *
         std::clamp(followed, 0.0, 1.0);
}

void weigh_site(TargetEvidence& target, const SiteEvidence& site, leakbpf_kind kind,
                double blocks) {
  // What Python's objects hold is an estimate, and lies in arenas, which are sites of their own.
  if (kind == LEAKBPF_KIND_PYTHON || score_of(site) < surely_growing)
    return;
  const auto add = [&](SureGrowth& growth) {
    growth.rate += site.trend->rate;
    growth.projected += site.trend->projected;
    growth.blocks += blocks;
  };
  if (kind == LEAKBPF_KIND_PAGES && !target.by_pages) {
    add(target.touched);
    return;
  }
  add(target.sites);
  if (kind == LEAKBPF_KIND_HEAP || kind == LEAKBPF_KIND_PAGES)
    add(target.heap_sites);
}

SiteJudgement judge_site(const SiteEvidence& evidence) {
  SiteJudgement judged;
  if (!evidence.trend || evidence.trend->shape == TrendShape::too_short)
    return judged;
  const Trend& trend = *evidence.trend;
  judged.score = score_of(evidence);
  judged.verdict.severity = Severity::none;
  if (!trend.sustained()) {
    if (trend.shape != TrendShape::flat)
      judged.verdict.reasons.push_back(no_growth_text("it", trend));
    return judged;
  }
  if (evidence.replaces && trend.rate <= 0) {
    judged.verdict.reasons.emplace_back(
        "it replaces blocks from before the attach: the heap's blocks as a whole do not grow");
    return judged;
  }
  judged.verdict.reasons.push_back(
      fmt::format("{}, {}", intervals_text(trend), per_minute(trend.rate)));
  if (is_chance(evidence)) {
    judged.verdict.reasons.push_back("but " + survival_text(evidence, "only ") + ": it churns");
    return judged;
  }
  judged.verdict.severity = severity_of_growth(trend.projected * 60);
  if (evidence.replaces)
    judged.verdict.reasons.emplace_back(
        "scaled down to the growth of the heap's blocks as a whole");
  if (trend.shape == TrendShape::slowing)
    judged.verdict.reasons.push_back(slowing_text(trend, trend.projected));
  if (evidence.old_survival_percent)
    judged.verdict.reasons.push_back(survival_text(evidence));
  if (evidence.target)
    weigh_target(*evidence.target, judged);
  return judged;
}

} // namespace leakbpf
