// SPDX-License-Identifier: Apache-2.0
// Sampling of a Tracer: what is outstanding now, and what it grew from.
#include "session/site_estimate.h"
#include "session/tracer.h"
#include "target/memory_usage.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace leakbpf {

namespace {

constexpr std::size_t max_history_points = 4096;
constexpr std::size_t most_histories = 16;

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
  if (growth_.keeps_sites())
    for (auto& [id, target] : targets_) {
      target.windows_put = target.window.ended;
      target.looks_put = target.looks;
    }
  attachments_.drop_unused();
  evict_targets();
}

/// They stay as they are while a sample or a report is made: there are thousands of sites to a
/// target.
void Tracer::note_windows() {
  any_unfinished_ = false;
  for (auto& [id, target] : targets_) {
    target.window = windows_.state(target.group);
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

/// Stacks that came and went, of code made by eval or of requests that each take another way, fill
/// the kernel's tables in time. What they counted is kept here, by place, where there are fewer.
void Tracer::make_room(const std::vector<SiteSample>& samples) {
  if (samples.size() < std::size_t{kernel_.max_stacks()} * 3 / 4)
    return;
  std::unordered_set<std::uint64_t> busy{0}; // stacks; 0: the row of those that were not recorded
  for (const SiteSample& sample : samples)
    if (outstanding_in_kernel(sample) != 0)
      busy.insert(sample.key.stack_hash);
  for (const auto& [id, target] : targets_)
    for (const auto& [key, totals] : target.range_sites)
      busy.insert(key.stack_hash);
  for (const SiteSample& sample : samples) {
    if (busy.contains(sample.key.stack_hash) || !places_of_.contains(sample.key.stack_hash))
      continue;
    const SiteKey place = by_place(key_of(sample));
    if (const auto taken = kernel_.take_site(sample.key))
      retired_[place] += totals_of(*taken);
    given_back_by_place(key_of(sample), place);
    places_of_.erase(sample.key.stack_hash);
    site_of_.erase(key_of(sample));
    last_read_.clear();
  }
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
/// are found where they were before.
void Tracer::add_sites(const std::vector<SiteSample>& samples) {
  const auto before = std::exchange(last_read_, {});
  last_read_.reserve(samples.size());
  auto next = before.begin();
  for (const SiteSample& sample : samples) {
    const SiteKey key = key_of(sample);
    if (before.end() - next > 1 && !(next->first == key) && next[1].first == key)
      ++next;
    Site* site = nullptr;
    if (next != before.end() && next->first == key)
      site = (next++)->second;
    Site& found = site ? *site : site_of(key);
    const bool is_final = site || site_of_.contains(key);
    last_read_.emplace_back(key, is_final ? &found : nullptr);
    add_site(sample, found);
  }
}

void Tracer::add_site(const SiteSample& sample, Site& site) {
  const auto target = targets_.find(sample.key.target);
  if (target == targets_.end())
    site.totals += totals_of(sample);
  else if (!is_unfinished(key_of(sample))) // of the target and the kind, as that of its place
    site.totals += estimate_of(sample, target->second.window);
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
  return target.window.limited && attachments_.uses_only_glibc(target.process.pid);
}

/// The site that a range counts for: where heap blocks are followed, what serves them would be
/// counted twice.
std::optional<SiteKey> Tracer::site_of_range(const TargetState& target, const SiteKey& key) {
  const SiteKey place = by_place(key);
  const HeapBacking backing = options_.kernel.heap ? backing_of(place) : HeapBacking{};
  if (!backing.serves_heap)
    return place;
  if (place.kind != LEAKBPF_KIND_MMAP || reserved_stacks_.contains(key.stack_hash) ||
      !maps_blocks(target))
    return std::nullopt;
  return SiteKey{key.target, LEAKBPF_KIND_HEAP, backing.heap_stack};
}

/// What is resident has pages, whoever took it: where these are followed, sums are of them alone.
bool Tracer::is_summed(const SiteKey& key) const {
  return !options_.kernel.pages || key.kind == LEAKBPF_KIND_PAGES;
}

void Tracer::read_sites() {
  for (auto& [key, site] : sites_)
    if (!is_unfinished(key))
      site.totals = {};
  const std::vector<SiteSample> samples = kernel_.read_sites();
  add_sites(samples);
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
  make_room(samples);
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
  const bool keep_point = samples_++ % history_stride_ == 0;
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
    if (keep_point && looked)
      history_.push_back(point);
  }
  if (history_.size() >
      max_history_points * std::clamp<std::size_t>(living_targets(), 4, most_histories))
    thin_history();
}

/// A process that is ending has no memory any more: what was known before stays.
void Tracer::look_at_memory(TargetState& target, MemoryLimitSample& limits, HistoryPoint& point) {
  const auto usage = read_memory_usage(proc_, target.process.pid);
  if (usage && usage->rss > 0) {
    target.rss_now = usage->rss;
    const auto put = [&](TargetSeries which, std::uint64_t bytes) {
      if (looks_at_all())
        growth_.put_target(target.id, which, static_cast<double>(bytes));
      else
        growth_.put_target_after_gap(target.id, which, static_cast<double>(bytes));
      return bytes;
    };
    put(TargetSeries::memory, usage->rss + usage->swap);
    put(TargetSeries::anonymous, usage->anonymous + usage->swap);
    point.anonymous_bytes = usage->anonymous;
    point.file_bytes = put(TargetSeries::file, usage->file);
    point.shared_bytes = put(TargetSeries::shared, usage->shared);
    point.swap_bytes = put(TargetSeries::swapped, usage->swap);
    point.cgroup_bytes = limits.cgroup_usage(target.process.pid);
    target.limit = limits.read(target.process.pid);
  }
  point.rss_bytes = target.rss_now;
}

/// Drops every other time, with all targets of it.
void Tracer::thin_history() {
  std::size_t kept = 0;
  double last = -1;
  bool on = false;
  for (const HistoryPoint& point : history_) {
    on = point.t_seconds == last ? on : !on;
    last = point.t_seconds;
    if (on)
      history_[kept++] = point;
  }
  history_.resize(kept);
  history_stride_ *= 2;
}

} // namespace leakbpf
