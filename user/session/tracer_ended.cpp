// SPDX-License-Identifier: Apache-2.0
// What is left of targets that have ended: their last rows, until others need the room.
#include "session/site_estimate.h"
#include "session/tracer.h"

#include <algorithm>
#include <span>
#include <unordered_set>

namespace leakbpf {

namespace {

// Rows of so many processes that ended are kept; then those with least outstanding go.
constexpr std::size_t most_ended = 6000;
constexpr std::size_t kept_ended = 5000;
// Below so many, stacks that nobody has any more do no harm.
constexpr std::size_t few_stacks = 100'000;

} // namespace

/// One that is not known may be a child whose event is still to come.
bool Tracer::has_ended(std::uint32_t target) const {
  const auto found = targets_.find(target);
  return found != targets_.end() && !found->second.alive();
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
  std::unordered_set<std::uint64_t> in_use; // stacks
  std::vector<std::uint64_t> free;
  for (const SiteSample& sample : samples) {
    const SiteKey key = key_of(sample);
    if (!has_ended(sample.key.target) || is_unfinished(key)) {
      in_use.insert(sample.key.stack_hash);
      continue;
    }
    const SiteKey place = by_place(key);
    if (kernel_.take_totals(sample.key))
      retired_[place] += estimate_of(sample, targets_.at(key.target).window);
    given_back_by_place(key, place);
    site_of_.erase(key);
    free.push_back(key.stack_hash);
  }
  if (free.empty())
    return;
  last_read_.clear();
  for (const auto& [id, target] : targets_)
    for (const auto& [key, totals] : target.range_sites)
      in_use.insert(key.stack_hash);
  for (const std::uint64_t hash : free)
    if (!in_use.contains(hash) && places_of_.erase(hash) > 0)
      kernel_.forget_stack(hash);
}

/// The least interesting of the ended targets make room.
void Tracer::evict_targets() {
  std::vector<std::pair<std::uint64_t, std::uint32_t>> ended; // bytes outstanding, target
  for (const auto& [id, target] : targets_)
    if (target.ages_are_last) // else its blocks are still in the kernel's table
      ended.emplace_back(0, id);
  if (ended.size() <= most_ended)
    return;
  std::unordered_map<std::uint32_t, std::uint64_t> outstanding;
  for (const auto& [key, site] : sites_)
    outstanding[key.target] += site.totals.outstanding_bytes();
  for (auto& [bytes, id] : ended)
    bytes = outstanding[id];
  std::sort(ended.begin(), ended.end());
  for (const auto& [bytes, id] : std::span(ended).first(ended.size() - kept_ended))
    forget(id);
  if (stacks_.size() > few_stacks)
    forget_unused_stacks();
}

void Tracer::forget(std::uint32_t id) {
  own_losses_[LEAKBPF_LOSS_TARGETS_EVICTED]++;
  const auto of_it = [id](const auto& known) { return known.first.target == id; };
  last_read_.clear();
  std::erase_if(site_of_, of_it);
  std::erase_if(sites_, of_it);
  std::erase_if(retired_, of_it);
  std::erase_if(given_back_, of_it);
  std::erase_if(held_, of_it);
  growth_.forget(id);
  evidence_.erase(id);
  suppressed_rates_.erase(id);
  targets_.erase(id);
}

void Tracer::forget_unused_stacks() {
  std::unordered_set<std::uint64_t> used; // hashes of places
  for (const auto& [key, site] : sites_)
    used.insert(key.stack_hash);
  const auto is_unused = [&used](const auto& known) { return !used.contains(known.first); };
  std::erase_if(places_of_, [&used](const auto& known) { return !used.contains(known.second); });
  std::erase_if(stacks_, is_unused);
  std::erase_if(groups_, is_unused);
  std::erase_if(suppressed_, is_unused);
  std::erase_if(filtered_, is_unused);
  std::erase_if(backings_, is_unused);
}

} // namespace leakbpf
