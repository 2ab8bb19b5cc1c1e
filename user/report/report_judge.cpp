// SPDX-License-Identifier: Apache-2.0
#include "report/report_judge.h"

#include "core/losses.h"
#include "core/row_sum.h"
#include "core/suppress.h"
#include "core/units.h"
#include "report/target_memory.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace leakbpf {

namespace {

double share_of(double lost, double seen) {
  return lost > 0 ? lost / (lost + seen) : 0;
}

/// All that is outstanding are a few large blocks: realloc maps them anew, and moves their pages.
bool is_resized(const SiteTotals& totals) {
  constexpr std::uint64_t most_blocks = 16;
  const std::uint64_t blocks = totals.outstanding_count();
  return blocks > 0 && blocks <= most_blocks && totals.is_of_mapped_blocks();
}

} // namespace

Losses losses_for_verdict(const leakbpf_counters& counted, double seen) {
  Losses losses;
  const auto name = [&](leakbpf_loss loss) {
    const std::uint64_t count = counted.losses[loss];
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
  // Page faults are those of all processes, and have a share of their own.
  const double faults = name(LEAKBPF_LOSS_MISSED_FAULTS);
  losses.share =
      std::max(share_of(lost, seen), share_of(faults, static_cast<double>(counted.page_faults)));
  return losses;
}

void ReportJudge::suppress(std::vector<SiteReport>& rows, StackLabels& labels,
                           const RawSnapshot& raw, bool whole, Suppressed& suppressed) {
  suppressed_rates_.clear();
  std::unordered_map<std::uint32_t, double> of_pages; // that were turned to
  std::erase_if(rows, [&](const SiteReport& row) {
    const Trend* const trend = rows_.trend_of(row.key);
    const bool grows = trend && trend->sustained();
    const Suppression* const rule = labels.hidden_by(row.key, grows, whole);
    if (!rule)
      return false;
    count_suppressed(suppressed, *rule, row.totals);
    if (grows && is_weighed(row.key, raw.by_pages))
      (is_summed(row.key, raw.by_pages) ? suppressed_rates_ : of_pages)[row.key.target] +=
          trend->projected * row.scale * row.growth_scale;
    return true;
  });
  for (const auto& [id, rate] : of_pages) // two views of the same memory
    suppress_at_least(id, rate);
}

void ReportJudge::suppress_at_least(std::uint32_t target, double rate) {
  double& known = suppressed_rates_[target];
  known = std::max(known, rate);
}

void ReportJudge::weigh(const std::vector<SiteReport>& rows, const RawSnapshot& raw) {
  evidence_.clear();
  for (const SiteReport& row : rows)
    if (is_weighed(row.key, raw.by_pages) && !row.verdict.severity) // else it does not grow
      weigh(row, raw);
}

void ReportJudge::weigh_replaced(const RawSnapshot& raw) {
  for (auto& [id, evidence] : evidence_)
    if (const auto target = raw.targets.find(id); target != raw.targets.end())
      weigh_replaced(evidence, target->second, raw);
}

void ReportJudge::weigh(const SiteReport& row, const RawSnapshot& raw) {
  TargetEvidence& evidence = evidence_[row.key.target];
  evidence.by_pages = raw.by_pages;
  weigh_site(evidence, evidence_of(row), row.key.kind,
             static_cast<double>(row.totals.outstanding_count()));
}

void ReportJudge::weigh_held(std::uint32_t target, const SureGrowth& held) {
  evidence_[target].held = held;
}

void ReportJudge::note_unread(std::uint32_t target, std::string problem) {
  evidence_[target].no_held = std::move(problem);
}

/// Of windows, which see a part of the time, no sum can be made; and a block that is not known when
/// it is freed may be one that was never followed.
void ReportJudge::weigh_replaced(TargetEvidence& evidence, const RawTarget& target,
                                 const RawSnapshot& raw) {
  if (raw.by_pages) { // where the RSS does not grow, pages from before are given back
    evidence.replaced_share = 1;
    return;
  }
  const double growing = evidence.heap_sites.blocks;
  if (growing > 0 && raw.all_followed && target.net_blocks)
    evidence.replaced_share = 1 - std::clamp(*target.net_blocks / growing, 0.0, 1.0);
}

void ReportJudge::weigh_memory(const RawTarget& target, const RawSnapshot& raw,
                               TargetEvidence& evidence) {
  evidence.by_pages = raw.by_pages;
  if (target.pages_since)
    evidence.pages_seconds = target.until - *target.pages_since;
  evidence.seconds = target.until - target.since;
  read_memory_trends(growth_, target.id, target.since, evidence);
  evidence.outstanding = growth_.target_trend(target.id, TargetSeries::outstanding, target.since);
  evidence.room = target.room;
  if (evidence.room && evidence.outstanding && evidence.outstanding->rate > 0)
    evidence.outstanding = evidence.outstanding->scaled(1 - evidence.room->replaced_share);
  constexpr double grown_up_seconds = 60;
  evidence.young = !(target.asked_for && target.since < 1) &&
                   evidence.seconds < std::min(grown_up_seconds, raw.now / 3);
  evidence.limit = target.limit;
}

void ReportJudge::judge(const RawTarget& target, const RawSnapshot& raw, const Losses& losses,
                        TargetReport& row) {
  TargetEvidence& evidence = evidence_[target.id];
  weigh_memory(target, raw, evidence);
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

SiteEvidence ReportJudge::evidence_of(const SiteReport& row) const {
  SiteEvidence evidence;
  if (const Trend* trend = rows_.trend_of(row.key))
    evidence.trend = trend->scaled(row.scale * row.growth_scale);
  evidence.replaces = row.key.kind == LEAKBPF_KIND_HEAP && row.growth_scale < 1;
  // A buffer that is made larger is given back and taken anew each time: that none of it is old
  // says nothing.
  if (!is_resized(row.totals)) {
    evidence.old_survival_percent = row.old_survival_percent;
    evidence.survival_age_seconds = row.survival_age_seconds;
  }
  if (const auto target = evidence_.find(row.key.target); target != evidence_.end())
    evidence.target = &target->second;
  return evidence;
}

void ReportJudge::judge(SiteReport& row) const {
  SiteEvidence evidence = evidence_of(row);
  const auto outstanding = static_cast<double>(row.totals.outstanding_bytes());
  const bool sparse = is_sparse(row);
  if (evidence.trend && sparse)
    evidence.trend = evidence.trend->scaled(static_cast<double>(*row.resident_bytes) / outstanding);
  SiteJudgement judged = judge_site(evidence);
  row.verdict = std::move(judged.verdict);
  if (sparse)
    row.verdict.reasons.insert(
        row.verdict.reasons.begin(),
        fmt::format("{} of address space, of which {} is in use: only that is judged",
                    format_bytes(outstanding),
                    format_bytes(static_cast<double>(*row.resident_bytes))));
  row.score = judged.score;
}

void ReportJudge::judge_last(const RawTarget& target, const RawSnapshot& raw, const Losses& losses,
                             std::vector<SiteReport>& rows, StackLabels& labels,
                             TargetReport& target_row) {
  TargetEvidence& evidence = evidence_[target.id] = {};
  double suppressed = 0;
  for (const SiteReport& row : rows) {
    const Trend* const trend = rows_.trend_of(row.key);
    if (!trend || !trend->sustained() || !is_weighed(row.key, raw.by_pages))
      continue;
    if (!labels.hidden_by(row.key, true, true))
      weigh(row, raw);
    else if (is_summed(row.key, raw.by_pages))
      suppressed += trend->projected * row.scale * row.growth_scale;
  }
  weigh_replaced(evidence, target, raw);
  suppressed_rates_[target.id] = suppressed;
  judge(target, raw, losses, target_row);
  drop_explained_pages(rows, raw);
  for (SiteReport& row : rows)
    judge(row);
}

void ReportJudge::drop_explained_pages(std::vector<SiteReport>& rows,
                                       const RawSnapshot& raw) const {
  if (raw.by_pages)
    return;
  std::erase_if(rows, [this](const SiteReport& row) {
    if (row.key.kind != LEAKBPF_KIND_PAGES)
      return false;
    const auto evidence = evidence_.find(row.key.target);
    return evidence == evidence_.end() || !needs_pages(evidence->second);
  });
}

void ReportJudge::forget(std::uint32_t target) {
  evidence_.erase(target);
  suppressed_rates_.erase(target);
}

} // namespace leakbpf
