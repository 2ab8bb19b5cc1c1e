// SPDX-License-Identifier: Apache-2.0
#include "core/site_ledger.h"

#include <algorithm>
#include <utility>

namespace leakbpf {

namespace {

// So many sites cost less than looking which are in use.
constexpr std::size_t few_sites = 1000;

} // namespace

void SiteLedger::read() {
  any_unfinished_ = targets_.any_unfinished();
  clear();
  const Samples samples = table_.read_sites();
  in_kernel_ = samples.size();
  drop_forgotten(samples);
  const std::vector<std::size_t> idle = add_all(samples);
  add_what_the_kernel_lacks();
  retire_ended(samples);
  make_room(samples, idle);
  await_windows();
}

const SiteLedger::Site* SiteLedger::find(const SiteKey& key) const {
  const auto known = sites_.find(key);
  return known == sites_.end() ? nullptr : &known->second;
}

SiteLedger::Site& SiteLedger::site_of(const KernelKey& key) {
  if (const auto known = site_of_.find(key); known != site_of_.end())
    return *known->second;
  Site& site = sites_[targets_.by_place(key)];
  if (stacks_.knows(key.stack))
    site_of_.emplace(key, &site);
  return site;
}

/// Its sums mean something at the end of the window that is open, not yet now.
bool SiteLedger::is_unfinished(std::uint32_t target, leakbpf_kind kind) const {
  if (!any_unfinished_ || kind != LEAKBPF_KIND_HEAP)
    return false;
  const WindowState* const window = targets_.window_of(target);
  return window && window->unfinished;
}

void SiteLedger::clear() {
  for (auto& [key, site] : sites_)
    if (!is_unfinished(key.target, key.kind)) {
      site.totals = {};
      site.withheld_bytes = 0;
    }
  for (auto& [key, back] : given_back_)
    back.is_added = false;
}

/// The kernel tells its sites in the same order each time, but for those that came and went: most
/// are found where they were before. Returns the indices of those at which nothing was allocated
/// since.
std::vector<std::size_t> SiteLedger::add_all(const Samples& samples) {
  const auto before = std::exchange(last_read_, {});
  last_read_.reserve(samples.size());
  std::vector<std::size_t> idle;
  auto next = before.begin();
  for (const SiteSample& sample : samples) {
    ReadSite read{key_of(sample), nullptr, sample.totals.allocated_count};
    if (before.end() - next > 1 && !(next->key == read.key) && next[1].key == read.key)
      ++next;
    if (next != before.end() && next->key == read.key) {
      if (next->allocated_count == read.allocated_count)
        idle.push_back(last_read_.size());
      read.site = (next++)->site;
    }
    const bool is_final = read.site != nullptr;
    Site& site = is_final ? *read.site : site_of(read.key);
    if (is_final || site_of_.contains(read.key))
      read.site = &site;
    last_read_.push_back(read);
    add(sample, site);
  }
  return idle;
}

void SiteLedger::add(const SiteSample& sample, Site& site) {
  const KernelKey key = key_of(sample);
  SiteSample whole = sample;
  if (const auto back = given_back_.find(key); back != given_back_.end()) {
    take_off(whole, back->second);
    back->second.is_added = true;
  }
  const SiteTotals all = totals_of(whole);
  const WindowState* const window = targets_.window_of(key.target);
  if (!window) {
    site.totals += all;
  } else if (!is_unfinished(key.target, key.kind)) { // as that of its place
    const SiteTotals estimate = estimate_of(whole, *window);
    site.totals += estimate;
    site.withheld_bytes += all.outstanding_bytes() - estimate.outstanding_bytes();
  }
}

void SiteLedger::add_what_the_kernel_lacks() {
  const auto add_to = [this](const SiteKey& key, const SiteTotals& totals) {
    if (!is_unfinished(key.target, key.kind))
      sites_[key].totals += totals;
  };
  for (const auto& [key, totals] : retired_)
    add_to(key, totals);
  targets_.each_range([&](const KernelKey& key, const SiteTotals& totals) {
    if (const auto site = targets_.site_of_range(key))
      add_to(*site, totals);
  });
  for (const auto& [key, back] : given_back_)
    if (!back.is_added) // the kernel has forgotten the site
      add_to(targets_.by_place(key),
             {0, 0, back.bytes >> LEAKBPF_WEIGHT_BITS, back.count >> LEAKBPF_WEIGHT_BITS});
  for (const auto& [key, totals] : held_)
    sites_[key].totals += totals;
}

/// Moves what sites of ended targets counted out of the kernel's tables, as their last totals.
void SiteLedger::retire_ended(const Samples& samples) {
  HashList in_use;
  in_use.reserve(samples.size());
  std::vector<std::uint64_t> free = std::exchange(ended_stacks_, {});
  awaited_.clear();
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
  std::erase_if(last_read_,
                [this](const ReadSite& each) { return targets_.has_ended(each.key.target); });
  add_stacks_of_ranges(in_use);
  std::sort(free.begin(), free.end());
  free.erase(std::unique(free.begin(), free.end()), free.end());
  for (const std::uint64_t hash : free)
    if (!in_use.contains(hash) && stacks_.knows(hash))
      forget_stack(hash);
}

/// It may still change, or be called by another name.
bool SiteLedger::stays_in_kernel(const SiteSample& sample) {
  const KernelKey key = key_of(sample);
  if (!targets_.has_ended(key.target))
    return true;
  if (!targets_.window_of(key.target))
    return false;                            // settled
  static_cast<void>(targets_.by_place(key)); // looks for its place
  const bool has_name = key.stack == 0 || stacks_.knows(key.stack);
  const bool waits = !has_name && targets_.may_be_named_yet(key.target);
  if (!is_unfinished(key.target, key.kind) && !waits)
    return false;
  awaited_.insert(key.target);
  return true;
}

/// What the kernel side forgot while the window was open is not in the sites yet.
void SiteLedger::await_windows() {
  std::erase_if(forgotten_in_window_,
                [this](std::uint32_t id) { return !is_unfinished(id, LEAKBPF_KIND_HEAP); });
  for (const std::uint32_t id : forgotten_in_window_)
    if (targets_.has_ended(id))
      awaited_.insert(id);
}

void SiteLedger::retire(const SiteSample& sample) {
  const KernelKey key = key_of(sample);
  const SiteKey place = targets_.by_place(key);
  const WindowState* const window = targets_.window_of(key.target);
  const bool taken = table_.take_totals(sample.key).has_value();
  const SiteSample last = take_given_back(taken ? sample : SiteSample{sample.key, {}});
  if (window) {
    keep_retired(place, estimate_of(last, *window));
  } else { // settled: a free that came after the end
    if (taken)
      targets_.add_late(place, totals_of(last));
    sites_.erase(place);
  }
  site_of_.erase(key);
}

/// Stacks that came and went, of code made by eval, of libraries that are loaded anew or of
/// requests that each take another way, cost time at each sample and fill the kernel's tables in
/// the end. What they counted is kept here, by place, where there are fewer. Those that nothing
/// happened at since the last sample go as soon as there may be as many of them as of others: so it
/// costs little to look. Where the room is needed each goes that can. A site that has blocks stays;
/// where nothing happens at it, its stack, which takes far more room, is known here and goes.
void SiteLedger::make_room(const Samples& samples, const std::vector<std::size_t>& idle) {
  const bool needed = samples.size() >= std::size_t{table_.max_stacks()} * 3 / 4;
  if (!needed && samples.size() - std::min(samples.size(), left_stacks_.size()) <
                     std::max(few_sites, 2 * kept_))
    return;
  std::vector<bool> may_go(samples.size(), needed);
  if (!needed) // others would be counted as losses once more
    for (const std::size_t index : idle)
      may_go[index] = stacks_.may_come_back(samples[index].key.stack_hash);
  HashList active = active_stacks(samples, may_go);
  HashList resting = resting_stacks(samples, may_go);
  const std::unordered_set<std::uint64_t> before = std::exchange(left_stacks_, {});
  kept_ = 0;
  bool any_gone = false;
  for (const SiteSample& sample : samples) {
    const std::uint64_t hash = sample.key.stack_hash;
    const bool rests = resting.contains(hash);
    if (rests && stacks_.knows(hash) && !active.contains(hash))
      leave_stack(hash, before.contains(hash));
    else if (rests || active.contains(hash) || !forget_site(sample))
      kept_++;
    else
      any_gone = true;
  }
  if (any_gone)
    last_read_.clear();
}

/// The kernel's room for it is given up, its site stays.
void SiteLedger::leave_stack(std::uint64_t hash, bool was_left) {
  if (left_stacks_.insert(hash).second && !was_left)
    table_.forget_stack(hash);
}

/// Of sites that may not go, and of mappings. A stack is kept for all of its sites, or for none.
HashList SiteLedger::active_stacks(const Samples& samples, const std::vector<bool>& may_go) const {
  HashList active;
  active.reserve(samples.size() + 1);
  active.add(0); // the row of those that were not recorded
  for (std::size_t i = 0; i < samples.size(); i++)
    if (!may_go[i])
      active.add(samples[i].key.stack_hash);
  add_stacks_of_ranges(active);
  return active;
}

/// Of sites that might go, but for their blocks.
HashList SiteLedger::resting_stacks(const Samples& samples, const std::vector<bool>& may_go) const {
  HashList resting;
  for (std::size_t i = 0; i < samples.size(); i++)
    if (may_go[i] && outstanding_in_kernel(samples[i]) != 0)
      resting.add(samples[i].key.stack_hash);
  return resting;
}

/// Blocks that may still come back to the site: pools that were found empty do not.
std::uint64_t SiteLedger::outstanding_in_kernel(const SiteSample& sample) const {
  return totals_of(with_given_back(sample)).outstanding_count();
}

/// False where its place is not known yet.
bool SiteLedger::forget_site(const SiteSample& sample) {
  const KernelKey key = key_of(sample);
  if (!stacks_.knows(key.stack))
    return false;
  const SiteKey place = targets_.by_place(key);
  if (is_unfinished(key.target, key.kind))
    forgotten_in_window_.insert(key.target);
  forget_stack(key.stack); // first: a site that is begun anew keeps its stack anew
  const auto taken = table_.take_totals(sample.key);
  keep_retired(place, totals_of(take_given_back(taken.value_or(SiteSample{sample.key, {}}))));
  site_of_.erase(key);
  return true;
}

void SiteLedger::forget_stack(std::uint64_t hash) {
  table_.forget_stack(hash);
  stacks_.forget(hash);
}

/// The places of stacks that no site was begun of since, once they are many.
void SiteLedger::drop_forgotten(const Samples& samples) {
  if (stacks_.forgotten() < std::max(few_sites, samples.size()))
    return;
  HashList in_use;
  in_use.reserve(samples.size());
  for (const SiteSample& sample : samples)
    in_use.add(sample.key.stack_hash);
  add_stacks_of_ranges(in_use);
  stacks_.drop_forgotten(in_use);
}

void SiteLedger::add_stacks_of_ranges(HashList& stacks) const {
  targets_.each_range(
      [&](const KernelKey& key, const SiteTotals& /*totals*/) { stacks.add(key.stack); });
}

void SiteLedger::keep_retired(const SiteKey& place, const SiteTotals& totals) {
  if (totals != SiteTotals{})
    retired_[place] += totals;
}

void SiteLedger::take_off(SiteSample& sample, const GivenBack& back) {
  sample.totals.freed_bytes += back.bytes;
  sample.totals.freed_count += back.count;
}

/// As if the kernel side had seen all that was given back.
SiteSample SiteLedger::with_given_back(SiteSample sample) const {
  if (const auto back = given_back_.find(key_of(sample)); back != given_back_.end())
    take_off(sample, back->second);
  return sample;
}

/// The same of a site that the kernel side forgets.
SiteSample SiteLedger::take_given_back(const SiteSample& sample) {
  SiteSample whole = with_given_back(sample);
  given_back_.erase(key_of(sample));
  return whole;
}

void SiteLedger::give_back(const KernelKey& key, std::uint64_t weighted_bytes,
                           std::uint64_t weight) {
  GivenBack& back = given_back_[key];
  back.bytes += weighted_bytes;
  back.count += weight;
}

void SiteLedger::set_held(std::uint32_t target, const Totals& held) {
  std::erase_if(held_, [&](const auto& known) { return known.first.target == target; });
  for (const auto& [key, totals] : held)
    held_[key] += totals;
}

void SiteLedger::drop(const std::set<std::uint32_t>& targets,
                      std::span<const std::uint64_t> stacks) {
  const auto is_settled = [&](const auto& known) { return targets.contains(known.first.target); };
  std::erase_if(last_read_,
                [&](const ReadSite& each) { return targets.contains(each.key.target); });
  std::erase_if(site_of_, is_settled);
  std::erase_if(sites_, is_settled);
  std::erase_if(retired_, is_settled);
  std::erase_if(given_back_, is_settled);
  std::erase_if(held_, is_settled);
  ended_stacks_.insert(ended_stacks_.end(), stacks.begin(), stacks.end());
}

} // namespace leakbpf
