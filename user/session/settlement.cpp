// SPDX-License-Identifier: Apache-2.0
#include "session/settlement.h"

#include <unordered_set>
#include <utility>

namespace leakbpf {

namespace {

// Rows of so many processes that ended are kept; then those with least outstanding go.
constexpr std::size_t most_ended = 6000;
constexpr std::size_t kept_ended = 5000;
// Below so many, stacks that nobody has any more do no harm.
constexpr std::size_t few_stacks = 100'000;

} // namespace

/// The ended targets of which nothing is to come any more, with their sites: none of their rows is
/// left in the kernel, and the ages of their blocks, if they have any, are known.
Settlement::SitesByTarget Settlement::settling() {
  SitesByTarget settling;
  for (const auto& [id, target] : of_.targets)
    if (!target.alive() && !of_.ledger.is_awaited(id))
      settling.try_emplace(id);
  if (settling.empty())
    return settling;
  std::unordered_set<std::uint32_t> holding;
  for (const auto& [key, site] : of_.ledger.sites()) {
    const auto of = settling.find(key.target);
    if (of == settling.end() || !site.is_known())
      continue;
    of->second.push_back(key);
    if (site.totals.outstanding_count() > 0 || site.totals.outstanding_bytes() > 0)
      holding.insert(key.target);
  }
  std::erase_if(settling, [&](const auto& each) {
    return holding.contains(each.first) && !of_.targets.at(each.first).ages_are_last;
  });
  return settling;
}

/// Makes what is known of ended targets final.
void Settlement::settle() {
  const SitesByTarget settled = settling();
  if (settled.empty())
    return;
  std::set<std::uint32_t> targets;
  for (const auto& [id, sites] : settled)
    targets.insert(id);
  const RawSnapshot raw = of_.taker.take_of(targets);
  const Losses losses = losses_for_verdict(raw.counted, raw.allocated_count);
  for (const auto& [id, sites] : settled)
    of_.ended.add(last_of(raw.targets.at(id), sites, raw, losses));
  drop(settled);
}

EndedTarget Settlement::last_of(const RawTarget& target, const std::vector<SiteKey>& sites,
                                const RawSnapshot& raw, const Losses& losses) {
  const TargetState& state = of_.targets.at(target.id);
  EndedTarget ended{target.id, state.group, target.report, {}};
  for (const SiteKey& key : sites) {
    of_.locator.keep(state, key);
    if (is_summed(key, raw.by_pages)) {
      const SiteTotals& totals = of_.ledger.find(key)->totals;
      ended.report.outstanding_bytes += totals.outstanding_bytes();
      ended.report.outstanding_count += totals.outstanding_count();
    }
  }
  std::vector<SiteReport> rows = of_.rows.make_last(raw, target, sites);
  of_.judge.judge_last(target, raw, losses, rows, of_.labels, ended.report);
  ended.sites.reserve(rows.size());
  for (const SiteReport& row : rows)
    ended.sites.emplace_back(row);
  return ended;
}

void Settlement::drop(const SitesByTarget& settled) {
  std::set<std::uint32_t> targets;
  std::vector<std::uint64_t> stacks; // of ranges
  for (const auto& [id, sites] : settled) {
    targets.insert(id);
    for (const auto& [key, totals] : of_.targets.at(id).range_sites)
      stacks.push_back(key.stack);
  }
  of_.ledger.drop(targets, stacks);
  for (const std::uint32_t id : targets) {
    of_.growth.forget_memory(id);
    of_.namer.forget_target(id);
    of_.judge.forget(id);
    of_.targets.erase(id);
    of_.holders.settle(id);
    of_.rooms.forget(id);
  }
}

/// The least interesting of the ended targets make room.
void Settlement::evict() {
  const std::vector<EndedTarget> evicted = of_.ended.evict(most_ended, kept_ended);
  for (const EndedTarget& target : evicted) {
    of_.evicted++;
    std::vector<SiteKey> sites;
    sites.reserve(target.sites.size());
    for (const EndedSite& site : target.sites)
      sites.push_back(site.key());
    of_.growth.forget(target.id, sites);
  }
  if (!evicted.empty() && of_.stacks.size() > few_stacks)
    forget_unused();
}

void Settlement::forget_unused() {
  std::unordered_set<std::uint64_t> used; // hashes of places
  for (const auto& [key, site] : of_.ledger.sites())
    used.insert(key.stack_hash);
  for (const auto& [id, target] : of_.ended.all())
    for (const EndedSite& site : target.sites)
      used.insert(site.key().stack_hash);
  of_.locator.keep_only(used);
  of_.labels.keep_only(used);
}

} // namespace leakbpf
