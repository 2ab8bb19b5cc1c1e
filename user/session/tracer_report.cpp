// SPDX-License-Identifier: Apache-2.0
// Sampling and reporting of a Tracer.
#include "core/culprit.h"
#include "python/pools.h"
#include "session/tracer.h"
#include "version.h"

#include <algorithm>
#include <ctime>
#include <unordered_set>

#include <sys/utsname.h>
#include <unistd.h>

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

SiteTotals totals_of(const SiteSample& sample) {
  return {sample.totals.allocated_bytes, sample.totals.allocated_count, sample.totals.freed_bytes,
          sample.totals.freed_count};
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
  if (site_history_.begin_sample(now)) {
    for (const auto& [key, totals] : sites_)
      site_history_.put(key, static_cast<double>(totals.outstanding_bytes()));
  }
  sample_targets(now, rss_history_.begin_sample(now));
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

void Tracer::read_sites() {
  sites_.clear();
  const std::vector<SiteSample> samples = kernel_.read_sites();
  for (const SiteSample& sample : samples)
    sites_[by_place(key_of(sample))] += totals_of(sample);
  for (const auto& [key, totals] : retired_)
    sites_[key] += totals;
  for (const auto& [id, target] : targets_)
    for (const auto& [key, totals] : target.range_sites)
      sites_[by_place(key)] += totals;
  for (const auto& [key, totals] : given_back_)
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
  if (begin < next_age_scan_)
    return;
  scan_ages();
  const double end = elapsed();
  next_age_scan_ = end + (end - begin) / age_scan_share;
}

void Tracer::scan_ages() {
  ages_.clear();
  const std::uint64_t now = monotonic_ns();
  std::unordered_map<std::uint32_t, PythonHeap> pythons;
  for (const auto& [id, target] : targets_)
    if (target.python_pools && target.alive())
      pythons[id];
  kernel_.each_block([&](const leakbpf_block_key& place, const leakbpf_block& block) {
    const SiteKey key =
        by_place({place.target, static_cast<leakbpf_kind>(place.kind), block.stack_hash});
    ages_[key].add(age_at(now, block.time_ns));
    if (const auto python = pythons.find(place.target); python != pythons.end())
      python->second.add(key, place, block);
  });
  for (auto& [id, heap] : pythons)
    look_at_python(targets_.at(id), heap);
  for (const auto& [id, target] : targets_)
    target.ranges->each([&, id = id](const RangeOwner& owner, std::uint64_t /*bytes*/) {
      ages_[by_place({id, owner.kind, owner.stack_hash})].add(age_at(now, owner.time_ns));
    });
}

/// Python gives no sign when a pool becomes empty, but its header says so.
void Tracer::forget_empty_pools(const PythonHeap& heap, const std::vector<PoolUse>& use) {
  for (std::size_t i = 0; i < use.size(); i++) {
    const PythonHeap::Pool& pool = heap.pools()[i];
    if (use[i] == PoolUse::in_use)
      continue;
    const auto block = kernel_.take_block(pool.place, pool.block.time_ns);
    if (!block) // it was begun anew meanwhile, and the kernel side knew
      continue;
    SiteTotals& totals = given_back_[{pool.place.target, LEAKBPF_KIND_PYTHON, block->stack_hash}];
    totals.freed_bytes += block->size;
    totals.freed_count++;
  }
}

void Tracer::look_at_python(TargetState& target, PythonHeap& heap) {
  const LiveMemory memory(target.process.pid);
  std::vector<std::uint64_t> addresses;
  for (const PythonHeap::Pool& pool : heap.pools())
    addresses.push_back(pool.place.address);
  const auto use = pool_use(memory, addresses);
  const auto growth = [this](const SiteKey& key) {
    return site_history_.growth_per_minute(key).value_or(0);
  };
  const auto held = heap.held(memory, growth);
  std::optional<ArenaList> arenas = target.python.arenas;
  if (const auto state = kernel_.python_heap(target.id); !arenas && state)
    arenas = arena_list_of(*state, target.python.pool_bytes);
  const auto small_objects = arenas ? read_small_objects(memory, *arenas) : std::nullopt;
  // What was read is another program's, or none's, when the target ended meanwhile: what was known
  // before stays.
  const auto image = kernel_.target_id(target.process.pid); // nothing once it is frozen
  if (!use || !still_runs(target) || image.value_or(target.id) != target.id)
    return;
  forget_empty_pools(heap, *use);
  target.small_objects = small_objects;
  std::erase_if(held_, [&](const auto& known) { return known.first.target == target.id; });
  for (const auto& [key, totals] : held)
    held_[key] += totals;
}

void Tracer::sample_targets(double now, bool keep) {
  std::unordered_map<std::uint32_t, std::uint64_t> outstanding;
  for (const auto& [key, totals] : sites_)
    outstanding[key.target] += totals.outstanding_bytes();
  const bool keep_point = samples_++ % history_stride_ == 0;
  for (auto& [id, target] : targets_) {
    if (!target.alive())
      continue;
    const auto resident = proc_.resident_bytes(target.process.pid);
    if (resident && *resident > 0) {
      target.rss_now = *resident;
      if (keep)
        rss_history_.put(id, static_cast<double>(*resident));
    }
    if (keep_point)
      history_.push_back({now, target.process.pid, target.rss_now, outstanding[id]});
  }
  if (history_.size() > max_history_points * std::max<std::size_t>(targets_.size(), 1)) {
    std::size_t kept = 0;
    double last = -1;
    bool on = false;
    for (const HistoryPoint& point : history_) { // every other time, all targets of it
      on = point.t_seconds == last ? on : !on;
      last = point.t_seconds;
      if (on)
        history_[kept++] = point;
    }
    history_.resize(kept);
    history_stride_ *= 2;
  }
}

std::vector<SiteReport> Tracer::site_rows() const {
  std::vector<SiteReport> rows;
  const auto add = [&](const TargetState& target, const SiteKey& key, const SiteTotals& totals) {
    SiteReport& row = rows.emplace_back();
    row.pid = target.process.pid;
    row.key = key;
    row.totals = totals;
    row.growth_bytes_per_minute = site_history_.growth_per_minute(key);
    auto ages = ages_.find(key);
    if (ages == ages_.end() && key.kind == LEAKBPF_KIND_PYTHON) // what a heap block holds
      ages = ages_.find({key.target, LEAKBPF_KIND_HEAP, key.stack_hash});
    if (ages != ages_.end() && !ages->second.empty()) {
      row.oldest_age_seconds = ages->second.oldest_seconds();
      row.median_age_seconds = ages->second.median_seconds();
    }
  };
  for (const auto& [key, totals] : sites_)
    if (const auto target = targets_.find(key.target); target != targets_.end())
      add(target->second, key, totals);
  return rows;
}

std::vector<Frame> Tracer::frames_of(const SiteReport& site) {
  if (const auto known = stacks_.find(site.key.stack_hash); known != stacks_.end())
    return namer_.name(known->second);
  if (const auto stack = kernel_.read_stack(site.key.stack_hash))
    return namer_.name(locate(targets_.at(site.key.target), *stack));
  Frame note;
  note.kind = FrameKind::note;
  note.function = "stack not recorded";
  return {note};
}

/// The frame that a stack's row is made by; that of a stack never changes once it is known.
GroupFrame Tracer::group_of(const SiteReport& site) {
  if (options_.group_by == GroupBy::process) {
    Frame process;
    process.kind = FrameKind::note;
    process.function = targets_.at(site.key.target).process.comm;
    return {"", process};
  }
  if (const auto known = groups_.find(site.key.stack_hash); known != groups_.end())
    return known->second;
  const std::vector<Frame> frames = frames_of(site);
  GroupFrame group = group_frame(options_.group_by, frames, find_culprit(frames));
  if (stacks_.contains(site.key.stack_hash))
    groups_.emplace(site.key.stack_hash, group);
  return group;
}

void Tracer::name_frames(SiteReport& site) {
  if (options_.group_by == GroupBy::stack) {
    site.frames = frames_of(site);
    site.culprit = find_culprit(site.frames);
  }
  if (site.frames.empty())
    return;
  Frame& culprit = site.frames[site.culprit];
  culprit.source = sources_.text(site.pid, culprit.file, culprit.line);
}

void Tracer::fill_host(Report& report) const {
  utsname kernel{};
  uname(&kernel);
  report.version = version;
  report.host = {kernel.nodename, kernel.release, kernel.machine,
                 static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN))};
  report.started_at = started_at_;
  report.duration_seconds = elapsed();
  report.requested_mean_bytes = options_.sample_bytes;
  report.backend = backend_name(backend_.backend);
  const leakbpf_counters counters = kernel_.read_counters();
  std::transform(std::begin(counters.losses), std::end(counters.losses), own_losses_.begin(),
                 report.losses.begin(), std::plus<>());
  report.losses[LEAKBPF_LOSS_PYTHON_CODE] = namer_.unreadable_python();
  report.overhead.probe_hits = counters.hits;
  if (report.duration_seconds > 0) // the self-test measured an entry and a return
    report.overhead.percent_of_one_core = static_cast<double>(counters.hits) * backend_.hit_ns / 2 /
                                          1e9 / report.duration_seconds * 100;
}

std::optional<PythonReport> Tracer::python_report(const TargetState& target) const {
  const PythonSearch& python = target.python;
  if (!python.version && python.problem.empty())
    return std::nullopt;
  PythonReport report;
  report.version = python.version ? to_string(*python.version) : "";
  report.problem = python.problem;
  if (const auto& heap = target.small_objects)
    report.small_objects = {heap->arenas, heap->arena_bytes, heap->pools, heap->pool_bytes,
                            heap->live_bytes};
  if (target.python_collector) {
    const auto found = target.collections ? target.collections : kernel_.collections(target.id);
    const auto done = found.value_or(leakbpf_collections{});
    report.collections = {done.count, static_cast<double>(done.total_ns) / 1e9,
                          static_cast<double>(done.longest_ns) / 1e9};
  }
  return report;
}

std::vector<TargetReport>
Tracer::target_rows(const std::vector<SiteReport>& sites,
                    std::unordered_map<std::uint32_t, std::size_t>& index) const {
  std::unordered_map<std::uint32_t, SiteTotals> totals;
  for (const SiteReport& site : sites) {
    totals[site.key.target].allocated_bytes += site.totals.outstanding_bytes();
    totals[site.key.target].allocated_count += site.totals.outstanding_count();
  }
  std::vector<TargetReport> rows;
  for (const auto& [id, target] : targets_) {
    index[id] = rows.size();
    const ProcessInfo& process = target.process;
    TargetReport& row = rows.emplace_back();
    row.pid = process.pid;
    row.ppid = process.ppid;
    row.comm = process.comm;
    row.command_line = process.command_line;
    row.executable = process.executable;
    row.cgroup = process.cgroup;
    row.started_at = process.started_at;
    row.ended = target.ended;
    row.rss_start_bytes = target.rss_start;
    row.rss_end_bytes = target.rss_now;
    row.rss_growth_bytes_per_minute = rss_history_.growth_per_minute(id);
    row.outstanding_bytes = totals[id].allocated_bytes;
    row.outstanding_count = totals[id].allocated_count;
    row.python = python_report(target);
  }
  return rows;
}

Report Tracer::report(std::size_t rows,
                      const std::function<bool(const SiteReport&, const SiteReport&)>& order) {
  Report report;
  fill_host(report);
  std::vector<SiteReport> sites = site_rows();
  std::unordered_map<std::uint32_t, std::size_t> target_index;
  report.targets = target_rows(sites, target_index);
  std::erase_if(sites, [&](const SiteReport& site) {
    const bool too_young = options_.min_age_seconds > 0 &&
                           site.oldest_age_seconds.value_or(0) < options_.min_age_seconds;
    // A table has no use for rows of nothing; a snapshot keeps their totals.
    return too_young || (rows != 0 && site.totals.outstanding_count() == 0);
  });
  if (options_.group_by != GroupBy::stack)
    sites = merge_sites(std::move(sites), options_.group_by,
                        [this](const SiteReport& site) { return group_of(site); });
  report.site_count = sites.size();
  const std::size_t shown = rows == 0 ? sites.size() : std::min(rows, sites.size());
  std::partial_sort(sites.begin(), sites.begin() + static_cast<std::ptrdiff_t>(shown), sites.end(),
                    order);
  sites.resize(shown);
  for (std::size_t i = 0; i < sites.size(); i++) {
    sites[i].rank = i + 1;
    sites[i].target = target_index[sites[i].key.target];
    name_frames(sites[i]);
  }
  report.sites = std::move(sites);
  report.history = history_;
  return report;
}

} // namespace leakbpf
