// SPDX-License-Identifier: Apache-2.0
// Reporting of a Tracer: from rows of sites to a report, named, judged and ranked.
#include "core/culprit.h"
#include "core/one_ladder.h"
#include "core/ranking.h"
#include "core/suppress.h"
#include "session/tracer.h"
#include "version.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace leakbpf {

namespace {

// Plots of more sites than these are not looked at.
constexpr std::size_t most_series = 200;
// That leak, and that come and go, each.
constexpr std::size_t most_compared = 200;

/// As the row's numbers are.
std::vector<std::uint64_t> scaled_series(std::vector<std::uint64_t> series, double scale) {
  if (scale < 1)
    for (std::uint64_t& bytes : series)
      bytes = static_cast<std::uint64_t>(std::llround(static_cast<double>(bytes) * scale));
  return series;
}

} // namespace

Frames Tracer::frames_of(const SiteReport& site) {
  if (const auto known = stacks_.find(site.key.stack_hash); known != stacks_.end())
    return namer_.name(known->second);
  const TargetState* target = find_target(site.key.target);
  if (const auto stack = kernel_.read_stack(site.key.stack_hash); stack && target)
    return namer_.name(locate(*target, target->space, *stack));
  Frame note;
  note.kind = FrameKind::note;
  note.function = "stack not recorded";
  return {note};
}

std::string Tracer::comm_of(std::uint32_t target) const {
  const EndedTarget* ended = ended_.find(target);
  return ended ? ended->report.comm : targets_.at(target).process.comm;
}

/// The frame that a stack's row is made by; that of a stack never changes once it is known.
GroupFrame Tracer::group_of(const SiteReport& site) {
  if (options_.group_by == GroupBy::process) {
    Frame process;
    process.kind = FrameKind::note;
    process.function = comm_of(site.key.target);
    return {"", process};
  }
  if (const auto known = groups_.find(site.key.stack_hash); known != groups_.end())
    return known->second;
  const Frames frames = frames_of(site);
  GroupFrame group = group_frame(options_.group_by, frames, find_culprit(frames, common_paths_));
  if (has_last_names(site, frames))
    groups_.emplace(site.key.stack_hash, group);
  return group;
}

/// Of the targets, without names, the busiest first.
std::vector<SiteReport>
Tracer::what_comes_and_goes(const std::unordered_set<std::uint32_t>& targets) const {
  std::vector<std::pair<std::uint64_t, SiteKey>> busiest;
  for (const auto& [key, site] : sites_)
    if (targets.contains(key.target) && !(site.trend && site.trend->sustained()) &&
        comes_and_goes(site.totals))
      busiest.emplace_back(site.totals.allocated_count, key);
  std::sort(busiest.begin(), busiest.end(), std::greater<>());
  busiest.resize(std::min(busiest.size(), most_compared));
  std::vector<SiteReport> rows(busiest.size());
  for (std::size_t i = 0; i < rows.size(); i++) {
    rows[i].key = busiest[i].second;
    rows[i].totals = sites_.at(rows[i].key).totals;
  }
  return rows;
}

/// What leaks is set against what comes and goes in the same processes: with the names of the
/// busiest stacks only, as there may be thousands.
void Tracer::compare_paths(const std::vector<SiteReport>& sites) {
  std::vector<SiteReport> compared;
  std::unordered_set<std::uint32_t> leaking;
  for (const SiteReport& site : sites)
    if (grows(site.verdict.severity) && compared.size() < most_compared) {
      compared.push_back(site);
      leaking.insert(site.key.target);
    }
  std::vector<SiteReport> others = what_comes_and_goes(leaking);
  std::move(others.begin(), others.end(), std::back_inserter(compared));
  for (SiteReport& site : compared)
    site.frames = frames_of(site);
  CommonPaths common(compared);
  if (common == common_paths_)
    return;
  common_paths_ = std::move(common);
  groups_.clear();
}

void Tracer::name_frames(SiteReport& site) {
  if (options_.group_by == GroupBy::stack) {
    site.frames = frames_of(site);
    site.culprit = find_culprit(site.frames, common_paths_);
  }
  if (site.frames.empty())
    return;
  const Frame& culprit = site.frames[site.culprit];
  site.source = sources_.text(site.pid, culprit.file, culprit.line);
}

/// Each is told of once.
void Tracer::note_changed_files() {
  std::set<std::string> changed = unwind_->stats().changed_files;
  changed.merge(namer_.changed_files());
  for (const std::string& file : changed)
    if (changed_files_.insert(file).second)
      options_.warn(fmt::format(
          "{} changed while it was being read: its functions have no names, or stacks end there",
          file));
}

/// What the kernel side counted, with what was lost in user space.
leakbpf_counters Tracer::counters() const {
  leakbpf_counters counters = kernel_.read_counters();
  std::transform(std::begin(counters.losses), std::end(counters.losses), own_losses_.begin(),
                 std::begin(counters.losses), std::plus<>());
  counters.losses[LEAKBPF_LOSS_EVENTS_DROPPED] += windows_.unseen_mapping_calls();
  return counters;
}

void Tracer::fill_host(Report& report, const leakbpf_counters& counters) const {
  report.version = version;
  report.host = host_report();
  report.started_at = started_at_;
  report.duration_seconds = elapsed();
  report.backend = backend_name(backend_.backend);
  std::copy(std::begin(counters.losses), std::end(counters.losses), report.losses.begin());
  report.losses[LEAKBPF_LOSS_PYTHON_CODE] = namer_.unreadable_python();
  report.losses[LEAKBPF_LOSS_HEAP_UNREAD] = holders_.unread();
  fill_cost(report);
}

Overhead Tracer::overhead_of(const TracingCost& cost) {
  Overhead overhead;
  overhead.probe_hits = static_cast<std::uint64_t>(cost.hits);
  overhead.percent_of_one_core = 100 * cost.share;
  overhead.duty_cycle = cost.duty;
  overhead.present_percent_of_one_core = 100 * cost.present_share;
  return overhead;
}

/// Of all groups together; the duty cycle is that of the average one.
void Tracer::fill_cost(Report& report) const {
  report.sampling = {options_.limits.mean_bytes, options_.limits.mean_bytes <= 1};
  TracingCost all{};
  all.duty = 0;
  for (const HeapWindows::Index group : groups_used_) {
    const TracingCost cost = windows_.cost(group);
    all.share += cost.share;
    all.present_share += cost.present_share;
    all.duty += cost.duty / static_cast<double>(groups_used_.size());
    report.sampling.exact = report.sampling.exact && !windows_.state(group).limited;
  }
  all.duty = std::min(all.duty, 1.0);
  report.overhead = overhead_of(all);
  report.overhead.probe_hits = kernel_.total_activity().hits;
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

std::vector<TargetReport> Tracer::target_rows(const std::vector<SiteReport>& sites,
                                              TargetIndex& index) const {
  std::unordered_map<std::uint32_t, SiteTotals> totals;
  for (const SiteReport& site : sites) {
    if (!is_summed(site.key))
      continue;
    totals[site.key.target].allocated_bytes += site.totals.outstanding_bytes();
    totals[site.key.target].allocated_count += site.totals.outstanding_count();
  }
  std::vector<TargetReport> rows;
  for (const auto& [id, target] : targets_) {
    index[id] = rows.size();
    rows.push_back(target_row(target, totals[id]));
  }
  return rows;
}

TargetReport Tracer::target_row(const TargetState& target, const SiteTotals& totals) const {
  TargetReport row = describe_process(target.process);
  row.ended = target.ended;
  row.rss_start_bytes = target.rss_start;
  row.rss_end_bytes = target.rss_now;
  row.outstanding_bytes = totals.allocated_bytes;
  row.outstanding_count = totals.allocated_count;
  row.python = python_report(target);
  if (target.asked_for && !windows_.is_sharing(target.group))
    row.overhead = overhead_of(windows_.cost(target.group));
  return row;
}

/// The names of a stack's frames will not change: it is known, and so is each piece of Python.
bool Tracer::has_last_names(const SiteReport& site, const Frames& frames) const {
  return stacks_.contains(site.key.stack_hash) &&
         std::none_of(frames.begin(), frames.end(), [](const Frame& frame) {
           return frame.kind == FrameKind::python && frame.file.empty();
         });
}

/// The rule that hides the site.
const Suppression* Tracer::suppressed_by(const SiteReport& site) {
  if (const auto known = suppressed_.find(site.key.stack_hash); known != suppressed_.end())
    return known->second;
  const Frames frames = frames_of(site);
  const Suppression* rule = options_.suppressions.match(frames);
  if (has_last_names(site, frames))
    suppressed_.emplace(site.key.stack_hash, rule);
  return rule;
}

/// The rule that hides the site where it is shown: what is taken once does not grow, and a whole
/// snapshot keeps what is hidden only because nobody wants to look at it.
const Suppression* Tracer::hidden_by(const SiteReport& site, bool grows, bool whole) {
  if (options_.suppressions.rules().empty())
    return nullptr; // to look at frames is to name them, of thousands of stacks
  const Suppression* rule = suppressed_by(site);
  return rule && rule->is_builtin() && (whole || grows) ? nullptr : rule;
}

void Tracer::suppress(std::vector<SiteReport>& sites, bool whole, Suppressed& suppressed) {
  suppressed_rates_.clear();
  std::unordered_map<std::uint32_t, double> of_pages; // that were turned to
  std::erase_if(sites, [&](const SiteReport& site) {
    const Trend* trend = trend_of_site(site.key);
    const bool grows = trend && trend->sustained();
    const Suppression* rule = hidden_by(site, grows, whole);
    if (!rule)
      return false;
    count_suppressed(suppressed, *rule, site.totals);
    if (grows && is_weighed(site.key))
      (is_summed(site.key) ? suppressed_rates_ : of_pages)[site.key.target] +=
          trend->projected * site.scale * site.growth_scale;
    return true;
  });
  for (const auto& [id, rate] : of_pages) // two views of the same memory
    suppressed_rates_[id] = std::max(suppressed_rates_[id], rate);
}

bool Tracer::filtered_out(const SiteReport& site) {
  if (!options_.filter)
    return false;
  if (const auto known = filtered_.find(site.key.stack_hash); known != filtered_.end())
    return known->second;
  const Frames frames = frames_of(site);
  const bool out = !stack_matches(frames, *options_.filter);
  if (has_last_names(site, frames))
    filtered_.emplace(site.key.stack_hash, out);
  return out;
}

/// A table has no use for rows of nothing; a snapshot keeps their totals.
bool Tracer::is_dropped(const SiteReport& site, bool only_outstanding) const {
  const bool too_young = options_.min_age_seconds > 0 &&
                         site.oldest_age_seconds.value_or(0) < options_.min_age_seconds;
  return too_young || (only_outstanding && site.totals.outstanding_count() == 0);
}

/// Rows and targets that are not settled.
std::vector<SiteReport> Tracer::living_rows(Report& report, bool whole, TargetIndex& index) {
  const leakbpf_counters counted = counters();
  fill_host(report, counted);
  note_windows();
  std::vector<SiteReport> sites = site_rows(whole || frozen_);
  report.targets = target_rows(sites, index);
  suppress(sites, whole, report.suppressed);
  find_holders(report.suppressed);
  judge_targets(sites, counted, report.targets);
  drop_explained_pages(sites);
  std::erase_if(sites, [&](const SiteReport& site) {
    return filtered_out(site) || is_dropped(site, !whole);
  });
  for (SiteReport& site : sites)
    if (const Trend* trend = site.verdict.severity ? nullptr : trend_of_site(site.key);
        trend && trend->sustained())
      judge(site);
  return sites;
}

/// One row for each stack, or for what they have in common.
std::vector<SiteReport> Tracer::grouped(std::vector<SiteReport> sites, bool whole) {
  const GroupBy by = options_.group_by;
  const auto group = [this](const SiteReport& site) { return group_of(site); };
  if (by == GroupBy::stack)
    return sites;
  if (whole || by == GroupBy::process)
    return merge_sites(std::move(sites), by, group);
  SiteMerger merger(by);
  for (SiteReport& site : sites) {
    GroupFrame frame = group_of(site);
    merger.add(std::move(site), std::move(frame));
  }
  return merger.rows_with(ended_rows_.merged());
}

/// What only rows that are shown need.
void Tracer::finish_rows(Report& report, TargetIndex& index) {
  for (std::size_t i = 0; i < report.sites.size(); i++) {
    SiteReport& site = report.sites[i];
    const EndedTarget* ended = ended_.find(site.key.target);
    if (ended && index.emplace(ended->id, report.targets.size()).second)
      report.targets.push_back(ended_report(*ended));
    site.rank = i + 1;
    site.target = index[site.key.target];
    if (options_.group_by == GroupBy::stack) {
      if (!ended) // else it was judged when it was settled
        judge(site);
      if (i < most_series)
        site.series = scaled_series(growth_.site_series(site.key), site.scale);
    }
    name_frames(site);
  }
}

Report Tracer::report(std::size_t rows, const SiteOrder& order) {
  Report report;
  TargetIndex index;
  const bool whole = rows == 0;
  std::vector<SiteReport> sites = living_rows(report, whole, index);
  if (whole)
    add_all_ended(report, sites, index);
  else
    add_worst_ended(report, rows, order, index);
  put_behind(report, sites, index);
  compare_paths(sites);
  sites = grouped(std::move(sites), whole);
  report.site_count = sites.size();
  if (!whole) {
    report.site_count += ended_rows_.row_count();
    sites.insert(sites.end(), ended_rows_.best().begin(), ended_rows_.best().end());
  }
  const std::size_t shown = whole ? sites.size() : std::min(rows, sites.size());
  std::partial_sort(sites.begin(), sites.begin() + static_cast<std::ptrdiff_t>(shown), sites.end(),
                    order);
  sites.erase(sites.begin() + static_cast<std::ptrdiff_t>(shown), sites.end());
  report.sites = std::move(sites);
  if (frozen_ && options_.group_by == GroupBy::stack) {
    measure_resident(report.sites);
    std::sort(report.sites.begin(), report.sites.end(), order);
  }
  finish_rows(report, index);
  add_holders(report, index);
  grade_by_targets(report);
  report.targets_left_out = targets_.size() + ended_.size() - report.targets.size();
  note_changed_files();
  report.losses[LEAKBPF_LOSS_CHANGED_FILES] = changed_files_.size();
  namer_.rest();
  if (whole) { // no table shows them
    report.history = history_.points();
    report.series_times = growth_.site_times();
  }
  return report;
}

} // namespace leakbpf
