// SPDX-License-Identifier: Apache-2.0
// Targets that have ended: what they counted leaves the kernel's tables, they are settled, judged
// for the last time, and from then on no sample walks over them; until others need the room.
#include "session/site_estimate.h"
#include "session/tracer.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace leakbpf {

namespace {

// Rows of so many processes that ended are kept; then those with least outstanding go.
constexpr std::size_t most_ended = 6000;
constexpr std::size_t kept_ended = 5000;
// A stack whose walk waits for an unwind table is finished by then, if ever.
constexpr double stack_patience = 2;
// Below so many, stacks that nobody has any more do no harm.
constexpr std::size_t few_stacks = 100'000;

} // namespace

/// One that is not known may be a child whose event is still to come.
bool Tracer::has_ended(std::uint32_t target) const {
  const auto found = targets_.find(target);
  return found != targets_.end() ? !found->second.alive() : ended_.contains(target);
}

bool Tracer::has_last_ages(std::uint32_t target) const {
  const auto found = targets_.find(target);
  return found != targets_.end() && found->second.ages_are_last;
}

/// Nobody will free these blocks; how old they were is known by now.
void Tracer::forget_blocks_of_ended(const std::vector<leakbpf_block_key>& blocks) {
  for (const leakbpf_block_key& place : blocks)
    kernel_.forget_block(place);
  for (auto& [id, target] : targets_)
    target.ages_are_last = !target.alive();
}

/// Moves what sites of ended targets counted out of the kernel's tables, as their last totals.
void Tracer::retire_ended(const std::vector<SiteSample>& samples) {
  HashList in_use; // stacks
  in_use.reserve(samples.size());
  std::vector<std::uint64_t> free = std::exchange(ended_stacks_, {});
  for (auto& [id, target] : targets_)
    target.rows_left = false;
  for (const SiteSample& sample : samples) {
    if (stays_in_kernel(sample)) {
      in_use.add(sample.key.stack_hash);
      continue;
    }
    retire(sample);
    free.push_back(sample.key.stack_hash);
  }
  if (free.empty())
    return;
  std::erase_if(last_read_, [this](const auto& each) { return has_ended(each.key.target); });
  add_stacks_of_ranges(in_use);
  std::sort(free.begin(), free.end());
  free.erase(std::unique(free.begin(), free.end()), free.end());
  for (const std::uint64_t hash : free)
    if (!in_use.contains(hash) && places_of_.contains(hash))
      forget_stack(hash);
}

/// It may still change, or be called by another name.
bool Tracer::stays_in_kernel(const SiteSample& sample) {
  if (!has_ended(sample.key.target))
    return true;
  const SiteKey key = key_of(sample);
  TargetState* target = find_target(key.target);
  if (!target)
    return false;
  const bool has_name = by_place(key).stack_hash != key.stack_hash || key.stack_hash == 0 ||
                        places_of_.contains(key.stack_hash);
  const bool waits =
      !has_name && !frozen_ && elapsed() - target->ended->at_seconds < stack_patience;
  if (!is_unfinished(key) && !waits)
    return false;
  target->rows_left = true;
  return true;
}

void Tracer::retire(const SiteSample& sample) {
  const SiteKey key = key_of(sample);
  const SiteKey place = by_place(key);
  const TargetState* target = find_target(key.target);
  const bool taken = kernel_.take_totals(sample.key).has_value();
  if (!target) { // settled: a free that came after the end
    if (taken)
      ended_.add_totals(place, totals_of(sample));
    sites_.erase(place);
  } else if (taken) {
    retired_[place] += estimate_of(sample, target->window);
  }
  given_back_by_place(key, place);
  site_of_.erase(key);
}

/// The ended targets of which nothing is to come any more, with their sites: none of their rows is
/// left in the kernel, and the ages of their blocks, if they have any, are known.
Tracer::SitesByTarget Tracer::settling() {
  SitesByTarget settling;
  for (const auto& [id, target] : targets_)
    if (!target.alive() && !target.rows_left)
      settling.try_emplace(id);
  if (settling.empty())
    return settling;
  std::unordered_set<std::uint32_t> holding;
  for (const auto& [key, site] : sites_) {
    const auto of = settling.find(key.target);
    if (of == settling.end() || !site.is_known())
      continue;
    of->second.push_back(key);
    if (site.totals.outstanding_count() > 0 || site.totals.outstanding_bytes() > 0)
      holding.insert(key.target);
  }
  std::erase_if(settling, [&](const auto& each) {
    return holding.contains(each.first) && !targets_.at(each.first).ages_are_last;
  });
  return settling;
}

/// Makes what is known of ended targets final.
void Tracer::settle_ended() {
  const SitesByTarget settled = settling();
  if (settled.empty())
    return;
  const leakbpf_counters counted = counters();
  const Losses losses = losses_for_verdict(counted);
  for (const auto& [id, sites] : settled)
    ended_.add(settle(targets_.at(id), sites, counted, losses));
  drop_settled(settled);
}

EndedTarget Tracer::settle(TargetState& target, const std::vector<SiteKey>& sites,
                           const leakbpf_counters& counters, const Losses& losses) {
  std::vector<SiteReport> rows;
  SiteTotals all;
  double suppressed = 0;
  TargetEvidence& evidence = evidence_[target.id] = {};
  for (const SiteKey& key : sites) {
    Site& site = sites_.at(key);
    renew_trend(key, site, target, true);
    keep_stack(target, key);
    rows.push_back(row_of(key, site, target));
    if (is_summed(key)) {
      all.allocated_bytes += site.totals.outstanding_bytes();
      all.allocated_count += site.totals.outstanding_count();
    }
  }
  reconcile(rows, {{target.id, measured_memory(target)}});
  for (const SiteReport& row : rows) {
    const Trend* const trend = trend_of_site(row.key);
    if (!trend || !trend->sustained() || !is_weighed(row.key))
      continue;
    if (!hidden_by(row, true, true))
      weigh(row);
    else if (is_summed(row.key))
      suppressed += trend->projected * row.scale * row.growth_scale;
  }
  weigh_replaced(target.id, evidence, counters);
  suppressed_rates_[target.id] = suppressed;
  EndedTarget ended{target.id, target.group, target_row(target, all), {}};
  judge_target_row(target, losses, ended.report);
  drop_explained_pages(rows);
  ended.sites.reserve(rows.size());
  for (SiteReport& row : rows) {
    judge(row);
    ended.sites.emplace_back(row);
  }
  return ended;
}

/// The stack of a site that nobody took apart while the target was there.
void Tracer::keep_stack(const TargetState& target, const SiteKey& key) {
  if (key.stack_hash == 0 || stacks_.contains(key.stack_hash))
    return;
  if (const auto stack = kernel_.read_stack(key.stack_hash))
    stacks_.emplace(key.stack_hash, locate(target, target.space, *stack));
}

void Tracer::drop_settled(const SitesByTarget& settled) {
  const auto is_settled = [&](const auto& known) { return settled.contains(known.first.target); };
  std::erase_if(last_read_,
                [&](const ReadSite& each) { return settled.contains(each.key.target); });
  std::erase_if(site_of_, is_settled);
  std::erase_if(sites_, is_settled);
  std::erase_if(retired_, is_settled);
  std::erase_if(given_back_, is_settled);
  std::erase_if(held_, is_settled);
  for (const auto& [id, sites] : settled) {
    growth_.forget_memory(id);
    namer_.forget_target(id);
    for (const auto& [key, totals] : targets_.at(id).range_sites)
      ended_stacks_.push_back(key.stack_hash);
    evidence_.erase(id);
    suppressed_rates_.erase(id);
    targets_.erase(id);
    holders_.settle(id);
    rooms_.forget(id);
  }
}

/// The least interesting of the ended targets make room.
void Tracer::evict_targets() {
  const std::vector<EndedTarget> evicted = ended_.evict(most_ended, kept_ended);
  for (const EndedTarget& target : evicted) {
    own_losses_[LEAKBPF_LOSS_TARGETS_EVICTED]++;
    std::vector<SiteKey> sites;
    sites.reserve(target.sites.size());
    for (const EndedSite& site : target.sites)
      sites.push_back(site.key());
    growth_.forget(target.id, sites);
  }
  if (!evicted.empty() && stacks_.size() > few_stacks)
    forget_unused_stacks();
}

void Tracer::forget_unused_stacks() {
  std::unordered_set<std::uint64_t> used; // hashes of places
  for (const auto& [key, site] : sites_)
    used.insert(key.stack_hash);
  for (const auto& [id, target] : ended_.all())
    for (const EndedSite& site : target.sites)
      used.insert(site.key().stack_hash);
  const auto is_unused = [&used](const auto& known) { return !used.contains(known.first); };
  std::erase_if(places_of_, [&used](const auto& known) { return !used.contains(known.second); });
  std::erase_if(stacks_, is_unused);
  std::erase_if(groups_, is_unused);
  std::erase_if(suppressed_, is_unused);
  std::erase_if(filtered_, is_unused);
  std::erase_if(backings_, is_unused);
}

} // namespace leakbpf
