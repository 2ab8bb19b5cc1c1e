// SPDX-License-Identifier: Apache-2.0
// Reporting of a Tracer: from rows of sites to a report, named, judged and ranked.
#include "core/culprit.h"
#include "core/losses.h"
#include "core/ranking.h"
#include "core/suppress.h"
#include "session/tracer.h"
#include "version.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace leakbpf {

namespace {

// Plots of more sites than these are not looked at.
constexpr std::size_t most_series = 200;

Overhead overhead_of(const TracingCost& cost) {
  Overhead overhead;
  overhead.probe_hits = static_cast<std::uint64_t>(cost.hits);
  overhead.percent_of_one_core = 100 * cost.share;
  overhead.duty_cycle = cost.duty;
  overhead.present_percent_of_one_core = 100 * cost.present_share;
  return overhead;
}

double share_of(double lost, double seen) {
  return lost > 0 ? lost / (lost + seen) : 0;
}

} // namespace

Frames Tracer::frames_of(const SiteReport& site) {
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
  const Frames frames = frames_of(site);
  GroupFrame group = group_frame(options_.group_by, frames, find_culprit(frames));
  if (has_last_names(site, frames))
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
  const Frame& culprit = site.frames[site.culprit];
  site.source = sources_.text(site.pid, culprit.file, culprit.line);
}

/// What the kernel side counted, with what was lost in user space.
leakbpf_counters Tracer::counters() const {
  leakbpf_counters counters = kernel_.read_counters();
  std::transform(std::begin(counters.losses), std::end(counters.losses), own_losses_.begin(),
                 std::begin(counters.losses), std::plus<>());
  return counters;
}

void Tracer::fill_host(Report& report, const leakbpf_counters& counters) const {
  utsname kernel{};
  uname(&kernel);
  report.version = version;
  report.host = {kernel.nodename, kernel.release, kernel.machine,
                 static_cast<unsigned>(sysconf(_SC_NPROCESSORS_ONLN))};
  report.started_at = started_at_;
  report.duration_seconds = elapsed();
  report.backend = backend_name(backend_.backend);
  std::copy(std::begin(counters.losses), std::end(counters.losses), report.losses.begin());
  report.losses[LEAKBPF_LOSS_PYTHON_CODE] = namer_.unreadable_python();
  fill_cost(report);
}

/// Of all groups together; the duty cycle is that of the average one.
void Tracer::fill_cost(Report& report) const {
  report.sampling = {options_.limits.mean_bytes, options_.limits.mean_bytes <= 1};
  std::set<HeapWindows::Index> groups;
  for (const auto& [id, target] : targets_)
    groups.insert(target.group);
  TracingCost all{};
  all.duty = 0;
  for (const HeapWindows::Index group : groups) {
    const TracingCost cost = windows_.cost(group);
    all.share += cost.share;
    all.present_share += cost.present_share;
    all.duty += cost.duty / static_cast<double>(groups.size());
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

std::vector<TargetReport>
Tracer::target_rows(const std::vector<SiteReport>& sites,
                    std::unordered_map<std::uint32_t, std::size_t>& index) const {
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
    const ProcessInfo& process = target.process;
    TargetReport& row = rows.emplace_back();
    row.pid = process.pid;
    row.ppid = process.ppid;
    row.comm = process.comm;
    row.command_line = process.command_line;
    row.executable = process.executable;
    row.cgroup = process.cgroup;
    row.container = process.container;
    row.namespaced_pid = process.namespaced_pid;
    row.started_at = process.started_at;
    row.ended = target.ended;
    row.rss_start_bytes = target.rss_start;
    row.rss_end_bytes = target.rss_now;
    row.outstanding_bytes = totals[id].allocated_bytes;
    row.outstanding_count = totals[id].allocated_count;
    row.python = python_report(target);
    if (target.asked_for && !windows_.is_sharing(target.group))
      row.overhead = overhead_of(windows_.cost(target.group));
  }
  return rows;
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

/// A whole snapshot keeps what is hidden only because nobody wants to look at it.
void Tracer::suppress(std::vector<SiteReport>& sites, bool whole, Suppressed& suppressed) {
  suppressed_rates_.clear();
  if (options_.suppressions.rules().empty())
    return; // to look at frames is to name them, of thousands of stacks
  std::erase_if(sites, [&](const SiteReport& site) {
    const Trend* trend = trend_of_site(site.key);
    const bool grows = trend && trend->sustained();
    const Suppression* rule = suppressed_by(site);
    if (!rule || (rule->is_builtin() && (whole || grows))) // what is taken once does not grow
      return false;
    count_suppressed(suppressed, *rule, site.totals);
    if (grows && is_summed(site.key))
      suppressed_rates_[site.key.target] += trend->projected;
    return true;
  });
}

/// What was missed of allocations, and in which proportion to those that were seen.
Losses Tracer::losses_for_verdict(const leakbpf_counters& counters) const {
  Losses losses;
  const auto name = [&](leakbpf_loss loss) {
    const std::uint64_t count = counters.losses[loss];
    if (count > 0)
      losses.words.push_back(fmt::format("{} {}", count, loss_text(loss).meaning));
    return static_cast<double>(count);
  };
  double lost = 0;
  for (const auto loss :
       {LEAKBPF_LOSS_LIVE_TABLE_FULL, LEAKBPF_LOSS_SITE_TABLE_FULL, LEAKBPF_LOSS_MISSED_RETURNS,
        LEAKBPF_LOSS_NO_TASK_STATE, LEAKBPF_LOSS_EVENTS_DROPPED, LEAKBPF_LOSS_TARGETS_FULL})
    lost += name(loss);
  // These make rows wrong, but no numbers.
  for (const auto loss : {LEAKBPF_LOSS_STACK_TABLE_FULL, LEAKBPF_LOSS_UNWIND_TRUNCATED})
    name(loss);
  double seen = 0;
  for (const auto& [key, site] : sites_)
    seen += static_cast<double>(site.totals.allocated_count);
  // Page faults are those of all processes, and have a share of their own.
  const double faults = name(LEAKBPF_LOSS_MISSED_FAULTS);
  losses.share =
      std::max(share_of(lost, seen), share_of(faults, static_cast<double>(counters.page_faults)));
  return losses;
}

/// What the sites say of their targets.
void Tracer::weigh_sites(const std::vector<SiteReport>& sites, const leakbpf_counters& counters) {
  evidence_.clear();
  for (const SiteReport& site : sites)
    if (TargetEvidence& evidence = evidence_[site.key.target];
        is_summed(site.key) && !site.verdict.severity) // else it does not grow
      weigh_site(evidence, evidence_of(site), site.key.kind,
                 static_cast<double>(site.totals.outstanding_count()));
  // Else a block that is not known when it is freed may be one that was never followed.
  const bool all_followed = options_.kernel.min_size == 0 && options_.kernel.max_size == ~0ULL &&
                            counters.losses[LEAKBPF_LOSS_LIVE_TABLE_FULL] == 0;
  for (auto& [id, evidence] : evidence_) {
    const double growing = evidence.heap_sites.blocks;
    const auto target = targets_.find(id);
    if (options_.kernel.pages) { // where the RSS does not grow, pages from before are given back
      evidence.replaced_share = 1;
      continue;
    }
    if (growing <= 0 || !all_followed || target == targets_.end())
      continue;
    if (target->second.window.limited)
      continue; // of a part of the time no sum can be made
    const leakbpf_activity now = kernel_.activity(id);
    const leakbpf_activity& before = target->second.before;
    const double net = static_cast<double>(now.allocations - before.allocations) -
                       static_cast<double>(now.frees - before.frees);
    evidence.replaced_share = 1 - std::clamp(net / growing, 0.0, 1.0);
  }
}

void Tracer::weigh_memory(const TargetState& target, TargetEvidence& evidence) const {
  const auto trend = [&](TargetSeries which) {
    return growth_.target_trend(target.id, which, target.since);
  };
  evidence.seconds = target.ended.value_or(TargetEnd{"", elapsed()}).at_seconds - target.since;
  evidence.memory = trend(TargetSeries::memory);
  evidence.anonymous = trend(TargetSeries::anonymous);
  evidence.file = trend(TargetSeries::file);
  evidence.shared = trend(TargetSeries::shared);
  evidence.swapped = trend(TargetSeries::swapped);
  evidence.outstanding = trend(TargetSeries::outstanding);
  constexpr double grown_up_seconds = 60;
  evidence.young = !(target.asked_for && target.since < 1) &&
                   evidence.seconds < std::min(grown_up_seconds, elapsed() / 3);
  if (!target.limit)
    return;
  // What others use of the machine is not the target's doing.
  const bool own = target.limit->limit.source == ram_source;
  evidence.limit =
      LimitUse{target.limit->limit,
               static_cast<double>(own ? target.rss_now.value_or(0) : target.limit->used),
               static_cast<double>(target.limit->left)};
}

/// `rows` are those of `targets_`, in its order.
void Tracer::judge_targets(const std::vector<SiteReport>& sites, const leakbpf_counters& counters,
                           std::vector<TargetReport>& rows) {
  weigh_sites(sites, counters);
  const Losses losses = losses_for_verdict(counters);
  std::size_t row = 0;
  for (auto& [id, target] : targets_) {
    TargetEvidence& evidence = evidence_[id];
    weigh_memory(target, evidence);
    evidence.suppressed_rate = suppressed_rates_[id];
    evidence.losses = losses;
    TargetJudgement judged = target.last_judgement.value_or(judge_target(evidence));
    if (target.ended && !target.last_judgement) { // nothing of it will change
      target.last_judgement = judged;
      growth_.forget_memory(id);
    }
    TargetReport& report = rows[row++];
    report.verdict = std::move(judged.verdict);
    report.rss_growth_bytes_per_minute = judged.growth_bytes_per_minute;
    report.seconds_to_limit = judged.seconds_to_limit;
    report.explained_percent = judged.explained_percent;
    if (evidence.limit)
      report.limit = evidence.limit->limit;
    if (const std::string pause = long_pause(report); !pause.empty())
      report.verdict.reasons.push_back(pause);
  }
}

SiteEvidence Tracer::evidence_of(const SiteReport& site) const {
  SiteEvidence evidence;
  if (const Trend* trend = trend_of_site(site.key))
    evidence.trend = *trend;
  evidence.old_survival_percent = site.old_survival_percent;
  evidence.survival_age_seconds = site.survival_age_seconds;
  if (const auto target = evidence_.find(site.key.target); target != evidence_.end())
    evidence.target = &target->second;
  return evidence;
}

void Tracer::judge(SiteReport& site) const {
  SiteJudgement judged = judge_site(evidence_of(site));
  site.verdict = std::move(judged.verdict);
  site.score = judged.score;
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
void Tracer::drop_rows(std::vector<SiteReport>& sites, bool only_outstanding) const {
  std::erase_if(sites, [&](const SiteReport& site) {
    const bool too_young = options_.min_age_seconds > 0 &&
                           site.oldest_age_seconds.value_or(0) < options_.min_age_seconds;
    return too_young || (only_outstanding && site.totals.outstanding_count() == 0);
  });
}

Report Tracer::report(std::size_t rows, const SiteOrder& order) {
  Report report;
  const leakbpf_counters counted = counters();
  fill_host(report, counted);
  note_windows();
  std::vector<SiteReport> sites = site_rows(rows == 0 || frozen_);
  std::unordered_map<std::uint32_t, std::size_t> target_index;
  report.targets = target_rows(sites, target_index);
  suppress(sites, rows == 0, report.suppressed);
  judge_targets(sites, counted, report.targets);
  std::erase_if(sites, [this](const SiteReport& site) { return filtered_out(site); });
  drop_rows(sites, rows != 0);
  for (SiteReport& site : sites)
    if (const Trend* trend = site.verdict.severity ? nullptr : trend_of_site(site.key);
        trend && trend->sustained())
      judge(site);
  if (options_.group_by != GroupBy::stack)
    sites = merge_sites(std::move(sites), options_.group_by,
                        [this](const SiteReport& site) { return group_of(site); });
  report.site_count = sites.size();
  const std::size_t shown = rows == 0 ? sites.size() : std::min(rows, sites.size());
  std::partial_sort(sites.begin(), sites.begin() + static_cast<std::ptrdiff_t>(shown), sites.end(),
                    order);
  sites.erase(sites.begin() + static_cast<std::ptrdiff_t>(shown), sites.end());
  for (std::size_t i = 0; i < sites.size(); i++) {
    sites[i].rank = i + 1;
    sites[i].target = target_index[sites[i].key.target];
    if (options_.group_by == GroupBy::stack) {
      judge(sites[i]);
      if (i < most_series)
        sites[i].series = growth_.site_series(sites[i].key);
    }
    name_frames(sites[i]);
  }
  report.sites = std::move(sites);
  namer_.rest();
  if (rows == 0) { // no table shows them
    report.history = history_;
    report.series_times = growth_.site_times();
  }
  return report;
}

} // namespace leakbpf
