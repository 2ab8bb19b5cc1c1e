// SPDX-License-Identifier: Apache-2.0
// Sampling of a Tracer: what is outstanding now, how old it is, what it grew from.
#include "python/pools.h"
#include "session/tracer.h"
#include "target/glibc_chunk.h"
#include "target/memory_usage.h"
#include "target/page_presence.h"

#include <algorithm>
#include <ctime>
#include <unordered_set>

namespace leakbpf {

namespace {

// Reading every outstanding block may take this share of one core.
constexpr double age_scan_share = 0.01;
constexpr std::size_t max_history_points = 4096;

std::uint64_t monotonic_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t age_at(std::uint64_t now_ns, std::uint64_t time_ns) {
  return now_ns > time_ns ? now_ns - time_ns : 0;
}

SiteKey key_of(const SiteSample& sample) {
  return {sample.key.target, static_cast<leakbpf_kind>(sample.key.kind), sample.key.stack_hash};
}

/// In whole bytes and blocks.
SiteTotals totals_of(const SiteSample& sample) {
  const leakbpf_site_totals& totals = sample.totals;
  return {totals.allocated_bytes >> LEAKBPF_WEIGHT_BITS,
          totals.allocated_count >> LEAKBPF_WEIGHT_BITS, totals.freed_bytes >> LEAKBPF_WEIGHT_BITS,
          totals.freed_count >> LEAKBPF_WEIGHT_BITS};
}

/// Of the young blocks of a window at its end all are known, not one in `scale`: they stand for
/// themselves until the next window.
SiteTotals estimate_of(const SiteSample& sample, const WindowState& window) {
  SiteTotals totals = totals_of(sample);
  if (window.scale <= 1 || sample.totals.young_window != window.number)
    return totals;
  const auto too_much = [&](std::int64_t young, std::uint64_t all) {
    const auto blocks = static_cast<std::uint64_t>(std::max<std::int64_t>(young, 0));
    const std::uint64_t more = blocks - blocks / window.scale;
    return std::min(more >> LEAKBPF_WEIGHT_BITS, all);
  };
  totals.allocated_bytes -= too_much(sample.totals.young_bytes, totals.allocated_bytes);
  totals.allocated_count -= too_much(sample.totals.young_count, totals.allocated_count);
  return totals;
}

} // namespace

void Tracer::sample() {
  follow_events();
  take_finished_stacks();
  notice_vanished();
  for (auto& [id, target] : targets_)
    if (target.alive())
      refresh_mappings(target);
  read_ages(); // first: it says what Python's pools hold
  read_sites();
  const double now = elapsed();
  growth_.begin_sample(now);
  for (const auto& [key, totals] : sites_)
    if (const TargetState* target = find_target(key.target); target && target->alive())
      put_site(*target, key, totals);
  sample_targets(now);
  if (growth_.keeps_sites())
    for (auto& [id, target] : targets_)
      target.windows_put = windows_.state(target.group).ended;
}

/// What windows tell is known at their ends.
bool Tracer::is_news(const TargetState& target) const {
  const WindowState window = windows_.state(target.group);
  return !window.unfinished && window.ended != target.windows_put;
}

void Tracer::put_site(const TargetState& target, const SiteKey& key, const SiteTotals& totals) {
  if (key.kind != LEAKBPF_KIND_HEAP || !windows_.state(target.group).limited)
    growth_.put_site(key, totals);
  else if (is_news(target))
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
  if (key.kind != LEAKBPF_KIND_HEAP)
    return false;
  const auto target = targets_.find(key.target);
  return target != targets_.end() && windows_.state(target->second.group).unfinished;
}

void Tracer::add_site(const SiteSample& sample, const SiteKey& place) {
  const auto target = targets_.find(sample.key.target);
  if (target == targets_.end())
    sites_[place] += totals_of(sample);
  else if (!is_unfinished(place))
    sites_[place] += estimate_of(sample, windows_.state(target->second.group));
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
  return windows_.state(target.group).limited && attachments_.uses_only_glibc(target.process.pid);
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
  std::erase_if(sites_, [this](const auto& known) { return !is_unfinished(known.first); });
  const std::vector<SiteSample> samples = kernel_.read_sites();
  for (const SiteSample& sample : samples)
    add_site(sample, by_place(key_of(sample)));
  for (const auto& [key, totals] : retired_)
    if (!is_unfinished(key))
      sites_[key] += totals;
  for (const auto& [id, target] : targets_)
    for (const auto& [key, totals] : target.range_sites)
      if (const auto site = site_of_range(target, key); site && !is_unfinished(*site))
        sites_[*site] += totals;
  for (const auto& [key, totals] : given_back_)
    if (!is_unfinished(key))
      sites_[by_place(key)] += totals;
  for (const auto& [key, totals] : held_)
    sites_[key] += totals;
  make_room(samples);
}

void Tracer::sample_whole() {
  next_age_scan_ = 0;
  sample();
}

void Tracer::read_ages() {
  const double begin = elapsed();
  // After each window, what was freed before it is to be found.
  const std::uint64_t ended = windows_.ended();
  if (begin < next_age_scan_ && ended == scanned_windows_)
    return;
  scanned_windows_ = ended;
  scan_ages();
  const double end = elapsed();
  next_age_scan_ = end + (end - begin) / age_scan_share;
}

void Tracer::add_age(const SiteKey& key, std::uint64_t age_ns, std::uint64_t bytes, double weight) {
  SiteAges& ages = ages_[key];
  ages.histogram.add(age_ns, weight);
  if (survival_age_ && static_cast<double>(age_ns) / 1e9 >= *survival_age_)
    ages.old_bytes += static_cast<double>(bytes) * weight;
}

/// Returns its site.
SiteKey Tracer::add_age_of(const OutstandingBlock& each, std::uint64_t now_ns) {
  const SiteKey key = by_place(
      {each.place.target, static_cast<leakbpf_kind>(each.place.kind), each.block.stack_hash});
  add_age(key, age_at(now_ns, each.block.time_ns), each.block.size,
          double(each.block.weight) / LEAKBPF_WEIGHT_ONE);
  return key;
}

/// What a target that has ended kept stays in its rows. In the kernel's table it would take the
/// room of others' blocks, the more the more processes come and go.
void Tracer::forget_blocks_of_ended() {
  std::unordered_set<std::uint32_t> ended;
  for (auto& [id, target] : targets_)
    if (!target.alive() && !std::exchange(target.blocks_forgotten, true))
      ended.insert(id);
  if (!ended.empty())
    kernel_.forget_blocks([&](std::uint32_t id) { return ended.contains(id); });
}

bool Tracer::has_last_ages(const SiteKey& key) const {
  const auto target = targets_.find(key.target);
  return target != targets_.end() && target->second.blocks_forgotten;
}

void Tracer::scan_ages() {
  std::erase_if(ages_, [this](const auto& known) { return !has_last_ages(known.first); });
  const std::uint64_t now = monotonic_ns();
  const auto mark = growth_.survival_mark(elapsed());
  survival_age_ = mark ? std::optional(elapsed() - mark->t_seconds) : std::nullopt;
  std::unordered_map<std::uint32_t, PythonHeap> pythons;
  std::unordered_map<std::uint32_t, std::vector<OutstandingBlock>> old;
  std::unordered_map<std::uint32_t, std::vector<OutstandingBlock>> pages;
  for (const auto& [id, target] : targets_) {
    if (target.python_pools && target.alive())
      pythons.try_emplace(id, windows_.state(target.group).limited);
    if (options_.kernel.pages && target.alive())
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
    const SiteKey key = add_age_of({place, block}, now);
    const bool settled = is_old(place, block);
    if (const auto blocks = old.find(place.target); blocks != old.end() && settled)
      blocks->second.push_back({place, block});
    // Of the last window most are in use for a moment only.
    if (const auto python = pythons.find(place.target);
        python != pythons.end() &&
        (settled || place.kind != LEAKBPF_KIND_HEAP || !is_limited(place)))
      python->second.add(key, place, block);
  });
  for (const auto& [id, target] : targets_) {
    if (target.blocks_forgotten)
      continue;
    target.ranges->each([&, id = id, &target = target](const RangeOwner& owner,
                                                       std::uint64_t address, std::uint64_t bytes) {
      const auto site = site_of_range(target, {id, owner.kind, owner.stack_hash});
      if (!site)
        return;
      add_age(*site, age_at(now, owner.time_ns), bytes, 1);
      const auto python = pythons.find(id);
      if (python != pythons.end() && site->kind == LEAKBPF_KIND_HEAP)
        python->second.add_mapped(*site, address, bytes);
    });
  }
  for (auto& [id, sampled] : pages) {
    forget_lost_pages(targets_.at(id), sampled);
    for (const OutstandingBlock& page : sampled)
      add_age_of(page, now);
  }
  for (const auto& [id, blocks] : old)
    forget_given_back(targets_.at(id), blocks);
  for (auto& [id, heap] : pythons)
    look_at_python(targets_.at(id), heap);
  if (mark)
    find_survivors(*mark);
  forget_blocks_of_ended();
}

/// How much of what was taken by then is still there.
void Tracer::find_survivors(const SurvivalMark& mark) {
  for (auto& [key, ages] : ages_)
    if (const double taken = has_last_ages(key) ? 0 : growth_.allocated_at(mark, key); taken > 0)
      ages.old_survival_percent = std::min(100 * ages.old_bytes / taken, 100.0);
}

/// Taken in a window before the open or the last one.
bool Tracer::is_old(const leakbpf_block_key& place, const leakbpf_block& block) const {
  const auto target = targets_.find(place.target);
  return place.kind == LEAKBPF_KIND_HEAP && target != targets_.end() &&
         block.window != windows_.state(target->second.group).number;
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
  SiteTotals& totals = given_back_[{each.place.target, static_cast<leakbpf_kind>(each.place.kind),
                                    block->stack_hash}];
  totals.freed_bytes += block->size * block->weight >> LEAKBPF_WEIGHT_BITS;
  totals.freed_count += block->weight >> LEAKBPF_WEIGHT_BITS;
}

bool Tracer::is_limited(const leakbpf_block_key& place) const {
  const auto target = targets_.find(place.target);
  return target != targets_.end() && windows_.state(target->second.group).limited;
}

/// The kernel gives no sign when pages go. Files' pages are forgotten too. What is left in `pages`
/// is still there.
void Tracer::forget_lost_pages(const TargetState& target, std::vector<OutstandingBlock>& pages) {
  constexpr std::uint64_t fault_ns = 10'000'000; // may last so long, and the page is not there yet
  const std::uint64_t now = monotonic_ns();
  std::vector<std::uint64_t> addresses;
  addresses.reserve(pages.size());
  for (const OutstandingBlock& page : pages)
    addresses.push_back(page.place.address);
  const auto own = own_pages(proc_.path(target.process.pid, "pagemap"), addresses);
  if (!own || !is_same_image(target))
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

void Tracer::sample_targets(double now) {
  std::unordered_map<std::uint32_t, std::uint64_t> outstanding;
  for (const auto& [key, totals] : sites_)
    if (is_summed(key))
      outstanding[key.target] += totals.outstanding_bytes();
  const bool keep_point = samples_++ % history_stride_ == 0;
  MemoryLimitSample limits(limits_);
  for (auto& [id, target] : targets_) {
    if (!target.alive())
      continue;
    HistoryPoint point;
    point.t_seconds = now;
    point.pid = target.process.pid;
    point.outstanding_bytes = outstanding[id];
    look_at_memory(target, limits, point);
    const auto bytes = static_cast<double>(outstanding[id]);
    if (!windows_.state(target.group).limited)
      growth_.put_target(id, TargetSeries::outstanding, bytes);
    else if (is_news(target))
      growth_.put_target_after_gap(id, TargetSeries::outstanding, bytes);
    if (keep_point)
      history_.push_back(point);
  }
  const auto living = static_cast<std::size_t>(std::count_if(
      targets_.begin(), targets_.end(), [](const auto& each) { return each.second.alive(); }));
  if (history_.size() > max_history_points * std::max<std::size_t>(living, 4))
    thin_history();
}

/// A process that is ending has no memory any more: what was known before stays.
void Tracer::look_at_memory(TargetState& target, MemoryLimitSample& limits, HistoryPoint& point) {
  const auto usage = read_memory_usage(proc_, target.process.pid);
  if (usage && usage->rss > 0) {
    target.rss_now = usage->rss;
    const auto put = [&](TargetSeries which, std::uint64_t bytes) {
      growth_.put_target(target.id, which, static_cast<double>(bytes));
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
