// SPDX-License-Identifier: Apache-2.0
// Block by block, a Tracer's look at what is outstanding: how old it is, and what of it has gone
// without a sign.
#include "base/clocks.h"
#include "python/pools.h"
#include "session/tracer.h"
#include "target/glibc_chunk.h"

#include <algorithm>

namespace leakbpf {

namespace {

// Reading every outstanding block may take this share of one core;
constexpr double age_scan_share = 0.005;
// up to this one where only that tells which site grows,
constexpr double hurried_scan_share = 0.02;
// so that there are so many each time the run is twice as long;
constexpr double hurried_scans = 16;
// and this one where windows end so often that each scan would come sooner.
constexpr double window_scan_share = 0.02;

SiteKey key_of(const leakbpf_block_key& place, std::uint64_t stack_hash) {
  return {place.target, static_cast<leakbpf_kind>(place.kind), stack_hash};
}

} // namespace

void Tracer::read_ages() {
  // After each window, what was freed before it is to be found; the more blocks there are, the
  // longer that takes, and the rarer it is done.
  const std::uint64_t ended = windows_.ended();
  const bool asked_for = ended != scanned_windows_ && elapsed() >= next_window_scan_;
  if (elapsed() < next_age_scan_ && !asked_for)
    return;
  scanned_windows_ = ended;
  const double begin = cpu_seconds();
  scan_ages();
  const double cost = cpu_seconds() - begin;
  next_age_scan_ = elapsed() + scan_interval(cost);
  next_window_scan_ = elapsed() + cost / window_scan_share;
}

double Tracer::scan_interval(double cost) const {
  const double leisurely = cost / age_scan_share;
  const bool tells_growth = std::any_of(targets_.begin(), targets_.end(), [](const auto& each) {
    return each.second.python_pools && each.second.alive();
  });
  if (!tells_growth)
    return leisurely;
  return std::clamp(elapsed() / hurried_scans, cost / hurried_scan_share, leisurely);
}

void Tracer::add_age(const SiteKey& key, std::uint64_t age_ns, std::uint64_t bytes, double weight) {
  add_age(sites_[key], age_ns, bytes, weight);
}

void Tracer::add_age(Site& site, std::uint64_t age_ns, std::uint64_t bytes, double weight) const {
  if (!site.ages)
    site.ages = std::make_unique<SiteAges>();
  site.ages->histogram.add(age_ns, weight);
  if (survival_age_ && static_cast<double>(age_ns) / 1e9 >= *survival_age_)
    site.ages->old_bytes += static_cast<double>(bytes) * weight;
}

void Tracer::add_age_of(const OutstandingBlock& each, std::uint64_t now_ns) {
  add_age(site_of(key_of(each.place, each.block.stack_hash)), age_at(now_ns, each.block.time_ns),
          each.block.size, double(each.block.weight) / LEAKBPF_WEIGHT_ONE);
}

/// Most sites that had blocks have some again: their memory is kept until the end of the scan.
void Tracer::begin_ages() {
  for (auto& [key, site] : sites_)
    if (site.ages && !has_last_ages(key.target))
      *site.ages = {};
}

/// What the program mapped itself, and large blocks between windows.
void Tracer::add_ages_of_ranges(std::uint64_t now,
                                std::unordered_map<std::uint32_t, PythonHeap>& pythons) {
  for (const auto& [id, target] : targets_)
    target.ranges->each([&, id = id, &target = target](const RangeOwner& owner,
                                                       std::uint64_t address, std::uint64_t bytes) {
      const auto site = site_of_range(target, {id, owner.kind, owner.stack_hash});
      if (!site || target.ages_are_last)
        return;
      add_age(*site, age_at(now, owner.time_ns), bytes, 1);
      const auto python = pythons.find(id);
      if (python != pythons.end() && site->kind == LEAKBPF_KIND_HEAP)
        python->second.add_mapped(*site, address, bytes);
    });
}

void Tracer::scan_ages() {
  begin_ages();
  const std::uint64_t now = monotonic_ns();
  const auto mark = growth_.survival_mark(elapsed());
  survival_age_ = mark ? std::optional(elapsed() - mark->t_seconds) : std::nullopt;
  std::unordered_map<std::uint32_t, PythonHeap> pythons;
  std::unordered_map<std::uint32_t, std::vector<OutstandingBlock>> old;
  std::unordered_map<std::uint32_t, std::vector<OutstandingBlock>> pages;
  std::vector<leakbpf_block_key> ended;
  for (const auto& [id, target] : targets_) {
    if (target.python_pools && target.alive())
      pythons.try_emplace(id, target.window.limited);
    if (has_rows_of_pages(target) && target.alive())
      pages[id];
    if (target.alive() && maps_blocks(target))
      old[id];
  }
  kernel_.each_block([&](const leakbpf_block_key& place, const leakbpf_block& block) {
    if (const auto of = pages.find(place.target);
        of != pages.end() && place.kind == LEAKBPF_KIND_PAGES) {
      of->second.push_back({place, block});
      return;
    }
    if (has_ended(place.target))
      ended.push_back(place);
    if (ended_.contains(place.target))
      return; // all is known of it
    add_age_of({place, block}, now);
    if (old.empty() && pythons.empty())
      return;
    const bool settled = is_old(place, block);
    if (const auto blocks = old.find(place.target); blocks != old.end() && settled)
      blocks->second.push_back({place, block});
    // Of the last window most are in use for a moment only.
    if (const auto python = pythons.find(place.target);
        python != pythons.end() &&
        (settled || place.kind != LEAKBPF_KIND_HEAP || !is_limited(place)))
      python->second.add(by_place(key_of(place, block.stack_hash)), place, block);
  });
  add_ages_of_ranges(now, pythons);
  forget_blocks_of_ended(ended);
  for (auto& [id, sampled] : pages) {
    forget_lost_pages(targets_.at(id), sampled);
    for (const OutstandingBlock& page : sampled)
      add_age_of(page, now);
  }
  for (const auto& [id, blocks] : old)
    forget_given_back(targets_.at(id), blocks);
  for (auto& [id, heap] : pythons)
    look_at_python(targets_.at(id), heap);
  for (auto& [key, site] : sites_)
    if (site.ages && site.ages->histogram.empty())
      site.ages.reset();
  if (mark)
    find_survivors(*mark);
}

/// How much of what was taken by then is still there.
void Tracer::find_survivors(const SurvivalMark& mark) {
  for (auto& [key, site] : sites_)
    if (site.ages && !has_last_ages(key.target))
      if (const double taken = growth_.allocated_at(mark, key); taken > 0)
        site.ages->old_survival_percent = std::min(100 * site.ages->old_bytes / taken, 100.0);
}

/// Taken in a window before the open or the last one.
bool Tracer::is_old(const leakbpf_block_key& place, const leakbpf_block& block) const {
  const auto target = targets_.find(place.target);
  return place.kind == LEAKBPF_KIND_HEAP && target != targets_.end() &&
         block.window != target->second.window.number;
}

/// Blocks that were freed while no window was open, as far as the heap itself shows it.
void Tracer::forget_given_back(const TargetState& target,
                               const std::vector<OutstandingBlock>& blocks) {
  std::vector<GlibcBlock> asked;
  asked.reserve(blocks.size());
  for (const OutstandingBlock& each : blocks)
    asked.push_back({each.place.address, each.block.size});
  const auto gone = given_back(LiveMemory(target.process.pid), asked);
  if (!gone || !still_runs(target))
    return;
  for (std::size_t i = 0; i < blocks.size(); i++)
    if ((*gone)[i])
      give_back(blocks[i]);
}

/// The kernel side did not see that the block was freed.
void Tracer::give_back(const OutstandingBlock& each) {
  const auto block = kernel_.take_block(each.place, each.block.time_ns);
  if (!block) // another is there meanwhile, and the kernel side knew
    return;
  SiteTotals& totals = given_back_[key_of(each.place, block->stack_hash)];
  totals.freed_bytes += block->size * block->weight >> LEAKBPF_WEIGHT_BITS;
  totals.freed_count += block->weight >> LEAKBPF_WEIGHT_BITS;
}

bool Tracer::is_limited(const leakbpf_block_key& place) const {
  const auto target = targets_.find(place.target);
  return target != targets_.end() && target->second.window.limited;
}

/// Python gives no sign when a pool becomes empty, but its header says so.
void Tracer::forget_empty_pools(const PythonHeap& heap, const std::vector<PoolUse>& use) {
  for (std::size_t i = 0; i < use.size(); i++) {
    const PythonHeap::Pool& pool = heap.pools()[i];
    if (use[i] == PoolUse::in_use)
      continue;
    give_back({pool.place, pool.block});
  }
}

void Tracer::look_at_python(TargetState& target, PythonHeap& heap) {
  const LiveMemory memory(target.process.pid);
  std::vector<std::uint64_t> addresses;
  for (const PythonHeap::Pool& pool : heap.pools())
    addresses.push_back(pool.place.address);
  const auto use = pool_use(memory, addresses);
  const auto growth = [this, &target](const SiteKey& key) {
    return growth_.site_trend(key, target.since).value_or(Trend{}).rate;
  };
  const auto held = heap.held(memory, growth);
  std::optional<ArenaList> arenas = target.python.arenas;
  if (const auto state = kernel_.python_heap(target.id); !arenas && state)
    arenas = arena_list_of(*state, target.python.pool_bytes);
  const auto small_objects = arenas ? read_small_objects(memory, *arenas) : std::nullopt;
  target.looks++; // one that failed leaves what the last one told
  // What was read is another program's, or none's, when the target ended meanwhile: what was known
  // before stays.
  if (!use || !is_same_image(target))
    return;
  forget_empty_pools(heap, *use);
  target.small_objects = small_objects;
  std::erase_if(held_, [&](const auto& known) { return known.first.target == target.id; });
  for (const auto& [key, totals] : held)
    held_[key] += totals;
}

} // namespace leakbpf
