// SPDX-License-Identifier: Apache-2.0
// What a Tracer thinks of its targets and their sites, by what was seen and what was missed.
#include "core/losses.h"
#include "core/row_sum.h"
#include "core/units.h"
#include "session/tracer.h"

#include <algorithm>

#include <fmt/format.h>

namespace leakbpf {

namespace {

double share_of(double lost, double seen) {
  return lost > 0 ? lost / (lost + seen) : 0;
}

} // namespace

/// What was missed of allocations, and in which proportion to those that were seen.
Losses Tracer::losses_for_verdict(const leakbpf_counters& counters) const {
  Losses losses;
  const auto name = [&](leakbpf_loss loss) {
    const std::uint64_t count = counters.losses[loss];
    if (count > 0)
      losses.words.push_back(fmt::format("{} {}", count, loss_text(loss).meaning));
    return static_cast<double>(count);
  };
  double lost = 0;
  for (const auto loss :
       {LEAKBPF_LOSS_LIVE_TABLE_FULL, LEAKBPF_LOSS_SITE_TABLE_FULL, LEAKBPF_LOSS_MISSED_RETURNS,
        LEAKBPF_LOSS_NO_TASK_STATE, LEAKBPF_LOSS_EVENTS_DROPPED, LEAKBPF_LOSS_TARGETS_FULL,
        LEAKBPF_LOSS_KERNEL_TABLES})
    lost += name(loss);
  // These make rows wrong, but no numbers.
  for (const auto loss : {LEAKBPF_LOSS_STACK_TABLE_FULL, LEAKBPF_LOSS_UNWIND_TRUNCATED})
    name(loss);
  auto seen = static_cast<double>(ended_.allocated_count());
  for (const auto& [key, site] : sites_)
    seen += static_cast<double>(site.totals.allocated_count);
  // Page faults are those of all processes, and have a share of their own.
  const double faults = name(LEAKBPF_LOSS_MISSED_FAULTS);
  losses.share =
      std::max(share_of(lost, seen), share_of(faults, static_cast<double>(counters.page_faults)));
  return losses;
}

void Tracer::weigh(const SiteReport& site) {
  TargetEvidence& evidence = evidence_[site.key.target];
  evidence.by_pages = options_.kernel.pages;
  weigh_site(evidence, evidence_of(site), site.key.kind,
             static_cast<double>(site.totals.outstanding_count()));
}

/// What the sites say of their targets.
void Tracer::weigh_sites(const std::vector<SiteReport>& sites, const leakbpf_counters& counters) {
  evidence_.clear();
  for (const SiteReport& site : sites)
    if (is_weighed(site.key) && !site.verdict.severity) // else it does not grow
      weigh(site);
  weigh_holders();
  for (auto& [id, evidence] : evidence_)
    weigh_replaced(id, evidence, counters);
}

void Tracer::weigh_replaced(std::uint32_t id, TargetEvidence& evidence,
                            const leakbpf_counters& counters) const {
  if (options_.kernel.pages) { // where the RSS does not grow, pages from before are given back
    evidence.replaced_share = 1;
    return;
  }
  // Else a block that is not known when it is freed may be one that was never followed.
  const bool all_followed = options_.kernel.min_size == 0 && options_.kernel.max_size == ~0ULL &&
                            counters.losses[LEAKBPF_LOSS_LIVE_TABLE_FULL] == 0;
  const double growing = evidence.heap_sites.blocks;
  const auto target = targets_.find(id);
  if (growing <= 0 || !all_followed || target == targets_.end())
    return;
  if (target->second.window.limited)
    return; // of a part of the time no sum can be made
  const leakbpf_activity now = kernel_.activity(id);
  const leakbpf_activity& before = target->second.before;
  const double net = static_cast<double>(now.allocations - before.allocations) -
                     static_cast<double>(now.frees - before.frees);
  evidence.replaced_share = 1 - std::clamp(net / growing, 0.0, 1.0);
}

void Tracer::weigh_memory(const TargetState& target, TargetEvidence& evidence) const {
  const double until = target.ended.value_or(TargetEnd{"", elapsed()}).at_seconds;
  evidence.by_pages = options_.kernel.pages;
  if (target.pages_since)
    evidence.pages_seconds = until - *target.pages_since;
  evidence.seconds = until - target.since;
  read_memory_trends(growth_, target.id, target.since, evidence);
  evidence.outstanding = growth_.target_trend(target.id, TargetSeries::outstanding, target.since);
  evidence.room = rooms_.growth(target.id);
  if (evidence.room && evidence.outstanding && evidence.outstanding->rate > 0)
    evidence.outstanding = evidence.outstanding->scaled(1 - evidence.room->replaced_share);
  constexpr double grown_up_seconds = 60;
  evidence.young = !(target.asked_for && target.since < 1) &&
                   evidence.seconds < std::min(grown_up_seconds, elapsed() / 3);
  if (target.limit)
    evidence.limit = limit_use(*target.limit, target.rss_now);
}

/// `rows` are those of `targets_`, in its order.
void Tracer::judge_targets(const std::vector<SiteReport>& sites, const leakbpf_counters& counters,
                           std::vector<TargetReport>& rows) {
  weigh_sites(sites, counters);
  const Losses losses = losses_for_verdict(counters);
  std::size_t row = 0;
  for (const auto& [id, target] : targets_)
    judge_target_row(target, losses, rows[row++]);
}

/// By what its sites were weighed to be.
void Tracer::judge_target_row(const TargetState& target, const Losses& losses, TargetReport& row) {
  TargetEvidence& evidence = evidence_[target.id];
  weigh_memory(target, evidence);
  evidence.suppressed_rate = suppressed_rates_[target.id];
  evidence.losses = losses;
  TargetJudgement judged = judge_target(evidence);
  row.verdict = std::move(judged.verdict);
  row.rss_growth_bytes_per_minute = judged.growth_bytes_per_minute;
  row.seconds_to_limit = judged.seconds_to_limit;
  row.explained_percent = judged.explained_percent;
  if (evidence.limit)
    row.limit = evidence.limit->limit;
  if (const std::string pause = long_pause(row); !pause.empty())
    row.verdict.reasons.push_back(pause);
}

namespace {

/// All that is outstanding are a few large blocks: realloc maps them anew, and moves their pages.
bool is_resized(const SiteTotals& totals) {
  constexpr std::uint64_t most_blocks = 16;
  const std::uint64_t blocks = totals.outstanding_count();
  return blocks > 0 && blocks <= most_blocks && totals.is_of_mapped_blocks();
}

} // namespace

SiteEvidence Tracer::evidence_of(const SiteReport& site) const {
  SiteEvidence evidence;
  if (const Trend* trend = trend_of_site(site.key))
    evidence.trend = trend->scaled(site.scale * site.growth_scale);
  evidence.replaces = site.key.kind == LEAKBPF_KIND_HEAP && site.growth_scale < 1;
  // A buffer that is made larger is given back and taken anew each time: that none of it is old
  // says nothing.
  if (!is_resized(site.totals)) {
    evidence.old_survival_percent = site.old_survival_percent;
    evidence.survival_age_seconds = site.survival_age_seconds;
  }
  if (const auto target = evidence_.find(site.key.target); target != evidence_.end())
    evidence.target = &target->second;
  return evidence;
}

/// Of mappings what is resident counts, where it is known.
void Tracer::judge(SiteReport& site) const {
  SiteEvidence evidence = evidence_of(site);
  const auto outstanding = static_cast<double>(site.totals.outstanding_bytes());
  const bool sparse = is_sparse(site);
  if (evidence.trend && sparse)
    evidence.trend =
        evidence.trend->scaled(static_cast<double>(*site.resident_bytes) / outstanding);
  SiteJudgement judged = judge_site(evidence);
  site.verdict = std::move(judged.verdict);
  if (sparse)
    site.verdict.reasons.insert(
        site.verdict.reasons.begin(),
        fmt::format("{} of address space, of which {} is in use: only that is judged",
                    format_bytes(outstanding),
                    format_bytes(static_cast<double>(*site.resident_bytes))));
  site.score = judged.score;
}

} // namespace leakbpf
