// SPDX-License-Identifier: Apache-2.0
// Sampling of a Tracer: what is outstanding now, and what it grew from.
#include "session/site_estimate.h"
#include "session/tracer.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace leakbpf {

namespace {

// So many sites cost less than looking which are in use.
constexpr std::size_t few_sites = 1000;

} // namespace

void Tracer::sample() {
  follow_events();
  take_finished_stacks();
  look_at_targets();
  note_windows();
  read_ages(); // first: it says what Python's pools hold
  read_sites();
  const double now = elapsed();
  growth_.begin_sample(now);
  for (auto& [key, site] : sites_) {
    site.grew = site.grew || site.totals.outstanding_bytes() > 0;
    if (!site.is_known())
      continue;
    if (const TargetState* target = find_target(key.target); target && target->alive())
      put_site(*target, key, site.totals);
  }
  sample_targets(now);
  if (options_.reach || options_.reach_if_cheap)
    look_for_holders();
  if (growth_.keeps_sites())
    for (auto& [id, target] : targets_) {
      target.windows_put = target.window.ended;
      target.looks_put = target.looks;
    }
  attachments_.drop_unused();
  settle_ended();
  evict_targets();
}

/// They stay as they are while a sample or a report is made: there are thousands of sites to a
/// target.
void Tracer::note_windows() {
  any_unfinished_ = false;
  for (auto& [id, target] : targets_) {
    const double uncovered = target.window.uncovered_seconds;
    target.window = windows_.state(target.group);
    if (!target.alive()) // its time goes on no more
      target.window.uncovered_seconds = uncovered;
    any_unfinished_ = any_unfinished_ || target.window.unfinished;
  }
}

/// What windows tell is known at their ends.
bool Tracer::is_news(const TargetState& target) const {
  return !target.window.unfinished && target.window.ended != target.windows_put;
}

/// New pools are the site's that took them, until it is looked which sites hold what is in them:
/// of Python's objects only what a look has told is put.
void Tracer::put_site(const TargetState& target, const SiteKey& key, const SiteTotals& totals) {
  const bool by_windows = key.kind == LEAKBPF_KIND_HEAP && target.window.limited;
  const bool by_looks = key.kind == LEAKBPF_KIND_PYTHON;
  if (!by_windows && !by_looks)
    growth_.put_site(key, totals);
  else if (by_windows ? is_news(target) : target.looks != target.looks_put)
    growth_.put_site_after_gap(key, totals);
}

/// Stacks that came and went, of code made by eval, of libraries that are loaded anew or of
/// requests that each take another way, cost time at each sample and fill the kernel's tables in
/// the end. What they counted is kept here, by place, where there are fewer. Those that nothing
/// happened at since the last sample go as soon as there may be as many of them as of others: so it
/// costs little to look. Where the room is needed each goes that can.
void Tracer::make_room(const std::vector<SiteSample>& samples,
                       const std::vector<std::size_t>& idle) {
  const bool needed = samples.size() >= std::size_t{kernel_.max_stacks()} * 3 / 4;
  if (!needed && samples.size() < std::max(few_sites, 2 * kept_sites_))
    return;
  std::vector<bool> may_go(samples.size(), needed);
  if (!needed)
    for (const std::size_t index : idle)
      may_go[index] = may_come_back_whole(samples[index]);
  HashList busy = busy_stacks(samples, may_go);
  kept_sites_ = 0;
  for (const SiteSample& sample : samples)
    if (busy.contains(sample.key.stack_hash) || !forget_site(sample))
      kept_sites_++;
  if (kept_sites_ < samples.size())
    last_read_.clear();
}

/// A stack is kept for all of its sites, or for none.
HashList Tracer::busy_stacks(const std::vector<SiteSample>& samples,
                             const std::vector<bool>& may_go) const {
  HashList busy;
  busy.reserve(samples.size() + 1);
  busy.add(0); // the row of those that were not recorded
  for (std::size_t i = 0; i < samples.size(); i++)
    if (!may_go[i] || outstanding_in_kernel(samples[i]) != 0)
      busy.add(samples[i].key.stack_hash);
  add_stacks_of_ranges(busy);
  return busy;
}

void Tracer::add_stacks_of_ranges(HashList& stacks) const {
  for (const auto& [id, target] : targets_)
    for (const auto& [key, totals] : target.range_sites)
      stacks.add(key.stack_hash);
}

/// Others would be counted as losses once more when they come back, which code that is not there
/// any more cannot do.
bool Tracer::may_come_back_whole(const SiteSample& sample) const {
  const auto place = places_of_.find(sample.key.stack_hash);
  const auto stack = place == places_of_.end() ? stacks_.end() : stacks_.find(place->second);
  if (stack == stacks_.end())
    return false;
  const auto is_gone = [](const CodePlace& code) { return code.module == CodePlace::no_module; };
  const auto& places = stack->second.places;
  return stack->second.end == LEAKBPF_STACK_COMPLETE ||
         std::any_of(places.begin(), places.end(), is_gone);
}

/// False where its place is not known yet.
bool Tracer::forget_site(const SiteSample& sample) {
  if (!places_of_.contains(sample.key.stack_hash))
    return false;
  const SiteKey place = by_place(key_of(sample));
  forget_stack(sample.key.stack_hash); // first: a site that is begun anew keeps its stack anew
  if (const auto taken = kernel_.take_totals(sample.key))
    retired_[place] += totals_of(*taken);
  given_back_by_place(key_of(sample), place);
  site_of_.erase(key_of(sample));
  return true;
}

/// A program that has seen it there may still begin a site of it: its place stays known for a time.
void Tracer::forget_stack(std::uint64_t hash) {
  kernel_.forget_stack(hash);
  reserved_stacks_.erase(hash);
  forgotten_stacks_.push_back(hash);
}

/// The places of stacks that no site was begun of since, once they are many.
void Tracer::forget_places(const std::vector<SiteSample>& samples) {
  if (forgotten_stacks_.size() < std::max(few_sites, samples.size()))
    return;
  HashList in_use;
  in_use.reserve(samples.size());
  for (const SiteSample& sample : samples)
    in_use.add(sample.key.stack_hash);
  add_stacks_of_ranges(in_use);
  for (const std::uint64_t hash : std::exchange(forgotten_stacks_, {}))
    if (!in_use.contains(hash))
      places_of_.erase(hash);
}

/// Blocks that may still come back to the site: pools that were found empty do not.
std::uint64_t Tracer::outstanding_in_kernel(const SiteSample& sample) const {
  SiteTotals totals = totals_of(sample);
  if (const auto back = given_back_.find(key_of(sample)); back != given_back_.end())
    totals += back->second;
  return totals.outstanding_count();
}

/// What was given back of a site that the kernel side forgets.
void Tracer::given_back_by_place(const SiteKey& key, const SiteKey& place) {
  const auto back = given_back_.find(key);
  if (back == given_back_.end())
    return;
  retired_[place] += back->second;
  given_back_.erase(back);
}

/// Its sums mean something at the end of the window that is open, not yet now.
bool Tracer::is_unfinished(const SiteKey& key) const {
  if (!any_unfinished_ || key.kind != LEAKBPF_KIND_HEAP)
    return false;
  const auto target = targets_.find(key.target);
  return target != targets_.end() && target->second.window.unfinished;
}

/// Looked up by place once, when the stack is known.
Tracer::Site& Tracer::site_of(const SiteKey& kernel_key) {
  if (const auto known = site_of_.find(kernel_key); known != site_of_.end())
    return *known->second;
  Site& site = sites_[by_place(kernel_key)];
  if (places_of_.contains(kernel_key.stack_hash))
    site_of_.emplace(kernel_key, &site);
  return site;
}

/// The kernel tells its sites in the same order each time, but for those that came and went: most
/// are found where they were before. Returns the indices of those at which nothing was allocated
/// since.
std::vector<std::size_t> Tracer::add_sites(const std::vector<SiteSample>& samples) {
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
    add_site(sample, site);
  }
  return idle;
}

void Tracer::add_site(const SiteSample& sample, Site& site) {
  const auto target = targets_.find(sample.key.target);
  const SiteTotals all = totals_of(sample);
  if (target == targets_.end()) {
    site.totals += all;
  } else if (!is_unfinished(key_of(sample))) { // of the target and the kind, as that of its place
    const SiteTotals estimate = estimate_of(sample, target->second.window);
    site.totals += estimate;
    site.withheld_bytes += all.outstanding_bytes() - estimate.outstanding_bytes();
  }
}

/// Does the memory that is mapped or broken off here serve blocks that a heap function hands out?
Tracer::HeapBacking Tracer::backing_of(const SiteKey& place) {
  if (const auto known = backings_.find(place.stack_hash); known != backings_.end())
    return known->second;
  const auto stack = stacks_.find(place.stack_hash);
  if (stack == stacks_.end())
    return {};
  const auto& places = stack->second.places;
  const auto outermost =
      std::find_if(places.rbegin(), places.rend(), [this](const CodePlace& code) {
        const auto file = namer_.file_id(code);
        return file && attachments_.is_heap_function(*file, code.offset);
      });
  HeapBacking backing;
  backing.serves_heap = outermost != places.rend();
  if (backing.serves_heap) {
    LocatedStack caller{{outermost.base(), places.end()}, stack->second.end};
    backing.heap_stack = hash_places(caller);
    stacks_.emplace(backing.heap_stack, std::move(caller));
  }
  backings_.emplace(place.stack_hash, backing);
  return backing;
}

/// Between windows the large blocks of the target are known by their mappings.
bool Tracer::maps_blocks(const TargetState& target) const {
  const bool only_glibc = target.had_only_glibc ? *target.had_only_glibc
                                                : attachments_.uses_only_glibc(target.process.pid);
  return target.window.limited && !target.window.mappings_unseen && only_glibc;
}

/// The site that a range counts for: where heap blocks are followed, what serves them would be
/// counted twice.
std::optional<SiteKey> Tracer::site_of_range(const TargetState& target, const SiteKey& key) {
  if (target.window.mappings_unseen) // what was mapped may be gone by now
    return std::nullopt;
  const SiteKey place = by_place(key);
  const HeapBacking backing = options_.kernel.heap ? backing_of(place) : HeapBacking{};
  if (!backing.serves_heap)
    return place;
  if (place.kind != LEAKBPF_KIND_MMAP || reserved_stacks_.contains(key.stack_hash) ||
      !maps_blocks(target))
    return std::nullopt;
  return SiteKey{key.target, LEAKBPF_KIND_HEAP, backing.heap_stack};
}

/// What is resident has pages, whoever took it: sums are of them alone where they were asked for,
/// else of all the others.
bool Tracer::is_summed(const SiteKey& key) const {
  return (key.kind == LEAKBPF_KIND_PAGES) == options_.kernel.pages;
}

/// Does its growth tell of its target's?
bool Tracer::is_weighed(const SiteKey& key) const {
  return is_summed(key) || key.kind == LEAKBPF_KIND_PAGES;
}

void Tracer::read_sites() {
  for (auto& [key, site] : sites_)
    if (!is_unfinished(key)) {
      site.totals = {};
      site.withheld_bytes = 0;
    }
  const std::vector<SiteSample> samples = kernel_.read_sites();
  kernel_sites_ = samples.size();
  forget_places(samples);
  const std::vector<std::size_t> idle = add_sites(samples);
  for (const auto& [key, totals] : retired_)
    if (!is_unfinished(key))
      sites_[key].totals += totals;
  for (const auto& [id, target] : targets_)
    for (const auto& [key, totals] : target.range_sites)
      if (const auto site = site_of_range(target, key); site && !is_unfinished(*site))
        sites_[*site].totals += totals;
  for (const auto& [key, totals] : given_back_)
    if (!is_unfinished(key))
      sites_[by_place(key)].totals += totals;
  for (const auto& [key, totals] : held_)
    sites_[key].totals += totals;
  retire_ended(samples);
  make_room(samples, idle);
}

void Tracer::sample_whole() {
  next_age_scan_ = 0;
  sample();
}

void Tracer::sample_targets(double now) {
  std::unordered_map<std::uint32_t, std::uint64_t> outstanding;
  for (const auto& [key, site] : sites_)
    if (is_summed(key))
      outstanding[key.target] += site.totals.outstanding_bytes();
  const bool keep_point = history_.begin_sample();
  MemoryLimitSample limits(limits_);
  const bool all = looks_at_all();
  const std::unordered_set<std::uint32_t> looked_at(looked_at_.begin(), looked_at_.end());
  for (auto& [id, target] : targets_) {
    if (!target.alive())
      continue;
    HistoryPoint point;
    point.t_seconds = now;
    point.pid = target.process.pid;
    point.outstanding_bytes = outstanding[id];
    const bool looked = all || looked_at.contains(id);
    if (looked)
      look_at_memory(target, limits, point);
    if (target.python_pools)
      growth_.put_target(id, TargetSeries::looks, static_cast<double>(target.looks));
    const auto bytes = static_cast<double>(outstanding[id]);
    if (!target.window.limited)
      growth_.put_target(id, TargetSeries::outstanding, bytes);
    else if (is_news(target))
      growth_.put_target_after_gap(id, TargetSeries::outstanding, bytes);
    look_for_unexplained(target, now, outstanding[id]);
    if (keep_point && looked)
      history_.add(point);
  }
  rooms_.look(now, [&](std::uint32_t id) {
    return HeapRoomWatch::Outstanding{outstanding_in_heap(id), outstanding[id]};
  });
  history_.end_sample(living_targets());
}

std::uint64_t Tracer::outstanding_in_heap(std::uint32_t target) const {
  std::uint64_t bytes = 0;
  for (const auto& [key, site] : sites_)
    if (key.target == target && key.kind == LEAKBPF_KIND_HEAP)
      bytes += site.totals.outstanding_bytes();
  return bytes;
}

/// A process that is ending has no memory any more: what was known before stays.
void Tracer::look_at_memory(TargetState& target, MemoryLimitSample& limits, HistoryPoint& point) {
  const auto usage = read_memory_usage(proc_, target.process.pid);
  if (usage && usage->rss > 0) {
    target.rss_now = usage->rss;
    put_memory(growth_, target.id, *usage, !looks_at_all(), point);
    point.cgroup_bytes = limits.cgroup_usage(target.process.pid);
    target.limit = limits.read(target.process.pid);
  }
  point.rss_bytes = target.rss_now;
}

} // namespace leakbpf
