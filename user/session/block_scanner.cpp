// SPDX-License-Identifier: Apache-2.0
#include "session/block_scanner.h"

#include "base/clocks.h"
#include "python/pools.h"
#include "target/glibc_chunk.h"
#include "target/page_presence.h"

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

} // namespace

void BlockScanner::read() {
  // After each window, what was freed before it is to be found; the more blocks there are, the
  // longer that takes, and the rarer it is done.
  const std::uint64_t ended = of_.windows.ended();
  const bool asked_for = ended != scanned_windows_ && clock_() >= next_window_scan_;
  if (clock_() < next_age_scan_ && !asked_for)
    return;
  scanned_windows_ = ended;
  const double begin = cpu_seconds();
  scan();
  const double cost = cpu_seconds() - begin;
  next_age_scan_ = clock_() + scan_interval(cost);
  next_window_scan_ = clock_() + cost / window_scan_share;
}

double BlockScanner::scan_interval(double cost) const {
  const double leisurely = cost / age_scan_share;
  const bool tells_growth =
      std::any_of(of_.targets.begin(), of_.targets.end(),
                  [](const auto& each) { return each.second.python_pools && each.second.alive(); });
  if (!tells_growth)
    return leisurely;
  return std::clamp(clock_() / hurried_scans, cost / hurried_scan_share, leisurely);
}

void BlockScanner::add_age(Site& site, std::uint64_t age_ns, std::uint64_t bytes,
                           double weight) const {
  if (!site.ages)
    site.ages = std::make_unique<SiteAges>();
  site.ages->histogram.add(age_ns, weight);
  if (survival_age_ && static_cast<double>(age_ns) / 1e9 >= *survival_age_)
    site.ages->old_bytes += static_cast<double>(bytes) * weight;
}

void BlockScanner::add_age_of(const OutstandingBlock& each, std::uint64_t now_ns) {
  add_age(of_.ledger.site_of(key_of(each.place, each.block.stack_hash)),
          age_at(now_ns, each.block.time_ns), each.block.size,
          double(each.block.weight) / LEAKBPF_WEIGHT_ONE);
}

/// Most sites that had blocks have some again: their memory is kept until the end of the scan.
void BlockScanner::begin_ages() {
  for (auto& [key, site] : of_.ledger.sites())
    if (site.ages && !has_last_ages(key.target))
      *site.ages = {};
}

/// What the program mapped itself, and large blocks between windows.
void BlockScanner::add_ages_of_ranges(std::uint64_t now, Found& found) {
  for (const auto& [id, target] : of_.targets)
    target.ranges->each([&, id = id, &target = target](const RangeOwner& owner,
                                                       std::uint64_t address, std::uint64_t bytes) {
      const auto site = of_.locator.site_of_range(target, {id, owner.kind, owner.stack_hash});
      if (!site || target.ages_are_last)
        return;
      add_age(of_.ledger.sites()[*site], age_at(now, owner.time_ns), bytes, 1);
      const auto python = found.pythons.find(id);
      if (python != found.pythons.end() && site->kind == LEAKBPF_KIND_HEAP)
        python->second.add_mapped(*site, address, bytes);
    });
}

BlockScanner::Found BlockScanner::wanted() const {
  Found found;
  for (const auto& [id, target] : of_.targets) {
    if (!target.alive())
      continue;
    if (target.python_pools)
      found.pythons.try_emplace(id, target.window.limited);
    if (has_rows_of_pages(target))
      found.pages[id];
    if (of_.probes.maps_blocks(target))
      found.old[id];
  }
  return found;
}

void BlockScanner::take(const OutstandingBlock& each, std::uint64_t now_ns, Found& found) {
  const auto& [place, block] = each;
  if (const auto of = found.pages.find(place.target);
      of != found.pages.end() && place.kind == LEAKBPF_KIND_PAGES) {
    of->second.push_back(each);
    return;
  }
  if (of_.traced.has_ended(place.target))
    found.ended.push_back(place);
  if (of_.ended.contains(place.target))
    return; // all is known of it
  add_age_of(each, now_ns);
  if (found.old.empty() && found.pythons.empty())
    return;
  const bool settled = is_old(place, block);
  if (const auto blocks = found.old.find(place.target); blocks != found.old.end() && settled)
    blocks->second.push_back(each);
  // Of the last window most are in use for a moment only.
  if (const auto python = found.pythons.find(place.target);
      python != found.pythons.end() &&
      (settled || place.kind != LEAKBPF_KIND_HEAP || !is_limited(place.target)))
    python->second.add(of_.locator.by_place(key_of(place, block.stack_hash)), place, block);
}

void BlockScanner::scan() {
  begin_ages();
  const std::uint64_t now = monotonic_ns();
  const auto mark = of_.growth.survival_mark(clock_());
  survival_age_ = mark ? std::optional(clock_() - mark->t_seconds) : std::nullopt;
  Found found = wanted();
  of_.blocks.each_block([&](const leakbpf_block_key& place, const leakbpf_block& block) {
    take({place, block}, now, found);
  });
  add_ages_of_ranges(now, found);
  forget_blocks_of_ended(found.ended);
  for (auto& [id, sampled] : found.pages) {
    forget_lost_pages(of_.targets.at(id), sampled);
    for (const OutstandingBlock& page : sampled)
      add_age_of(page, now);
  }
  for (const auto& [id, blocks] : found.old)
    forget_given_back(of_.targets.at(id), blocks);
  for (auto& [id, heap] : found.pythons)
    look_at_python(of_.targets.at(id), heap);
  end_ages();
  if (mark)
    find_survivors(*mark);
}

void BlockScanner::end_ages() {
  for (auto& [key, site] : of_.ledger.sites())
    if (site.ages && site.ages->histogram.empty())
      site.ages.reset();
}

/// How much of what was taken by then is still there.
void BlockScanner::find_survivors(const SurvivalMark& mark) {
  for (auto& [key, site] : of_.ledger.sites())
    if (site.ages && !has_last_ages(key.target))
      if (const double taken = of_.growth.allocated_at(mark, key); taken > 0)
        site.ages->old_survival_percent = std::min(100 * site.ages->old_bytes / taken, 100.0);
}

/// Taken in a window before the open or the last one.
bool BlockScanner::is_old(const leakbpf_block_key& place, const leakbpf_block& block) const {
  const TargetState* const target = of_.targets.find(place.target);
  return place.kind == LEAKBPF_KIND_HEAP && target && block.window != target->window.number;
}

/// Blocks that were freed while no window was open, as far as the heap itself shows it.
void BlockScanner::forget_given_back(const TargetState& target,
                                     const std::vector<OutstandingBlock>& blocks) {
  std::vector<GlibcBlock> asked;
  asked.reserve(blocks.size());
  for (const OutstandingBlock& each : blocks)
    asked.push_back({each.place.address, each.block.size});
  const auto gone = given_back(LiveMemory(target.process.pid), asked);
  if (!gone || !of_.targets.still_runs(target))
    return;
  for (std::size_t i = 0; i < blocks.size(); i++)
    if ((*gone)[i])
      give_back(blocks[i]);
}

/// The kernel side did not see that the block was freed.
void BlockScanner::give_back(const OutstandingBlock& each) {
  const auto block = of_.blocks.take_block(each.place, each.block.time_ns);
  if (!block) // another is there meanwhile, and the kernel side knew
    return;
  of_.ledger.give_back(key_of(each.place, block->stack_hash),
                       std::uint64_t{block->size} * block->weight, block->weight);
}

bool BlockScanner::is_limited(std::uint32_t target) const {
  const TargetState* const known = of_.targets.find(target);
  return known && known->window.limited;
}

bool BlockScanner::has_last_ages(std::uint32_t target) const {
  const TargetState* const known = of_.targets.find(target);
  return known && known->ages_are_last;
}

/// Nobody will free these blocks; how old they were is known by now.
void BlockScanner::forget_blocks_of_ended(const std::vector<leakbpf_block_key>& blocks) {
  for (const leakbpf_block_key& place : blocks)
    of_.blocks.forget_block(place);
  for (auto& [id, target] : of_.targets)
    target.ages_are_last = !target.alive();
}

/// Python gives no sign when a pool becomes empty, but its header says so.
void BlockScanner::forget_empty_pools(const PythonHeap& heap, const std::vector<PoolUse>& use) {
  for (std::size_t i = 0; i < use.size(); i++) {
    const PythonHeap::Pool& pool = heap.pools()[i];
    if (use[i] == PoolUse::in_use)
      continue;
    give_back({pool.place, pool.block});
  }
}

void BlockScanner::look_at_python(TargetState& target, PythonHeap& heap) {
  const LiveMemory memory(target.process.pid);
  std::vector<std::uint64_t> addresses;
  for (const PythonHeap::Pool& pool : heap.pools())
    addresses.push_back(pool.place.address);
  const auto use = pool_use(memory, addresses);
  const auto growth = [this, &target](const SiteKey& key) {
    return of_.growth.site_trend(key, target.since).value_or(Trend{}).rate;
  };
  const auto held = heap.held(memory, growth);
  std::optional<ArenaList> arenas = target.python.arenas;
  if (const auto state = of_.counts.python_heap(target.id); !arenas && state)
    arenas = arena_list_of(*state, target.python.pool_bytes);
  const auto small_objects = arenas ? read_small_objects(memory, *arenas) : std::nullopt;
  target.looks++; // one that failed leaves what the last one told
  // What was read is another program's, or none's, when the target ended meanwhile: what was known
  // before stays.
  if (!use || !of_.targets.is_same_image(target))
    return;
  forget_empty_pools(heap, *use);
  target.small_objects = small_objects;
  of_.ledger.set_held(target.id, held);
}

/// The kernel gives no sign when pages go. Files' pages are forgotten too. What is left in `pages`
/// is still there.
void BlockScanner::forget_lost_pages(const TargetState& target,
                                     std::vector<OutstandingBlock>& pages) {
  constexpr std::uint64_t fault_ns = 10'000'000; // may last so long, and the page is not there yet
  const std::uint64_t now = monotonic_ns();
  std::vector<std::uint64_t> addresses;
  addresses.reserve(pages.size());
  for (const OutstandingBlock& page : pages)
    addresses.push_back(page.place.address);
  const auto own = own_pages(of_.proc.path(target.process.pid, "pagemap"), addresses);
  if (!own || !of_.targets.is_same_image(target))
    return;
  std::vector<OutstandingBlock> there;
  for (std::size_t i = 0; i < pages.size(); i++) {
    if ((*own)[i] || age_at(now, pages[i].block.time_ns) < fault_ns)
      there.push_back(pages[i]);
    else
      give_back(pages[i]);
  }
  pages = std::move(there);
}

} // namespace leakbpf
