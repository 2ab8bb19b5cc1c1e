// SPDX-License-Identifier: Apache-2.0
#include "session/sampler.h"

#include "report/raw_snapshot.h"
#include "target/memory_usage.h"

#include <unordered_map>
#include <unordered_set>

namespace leakbpf {

void Sampler::sample(double now) {
  of_.growth.begin_sample(now);
  for (auto& [key, site] : of_.ledger.sites()) {
    site.grew = site.grew || site.totals.outstanding_bytes() > 0;
    if (!site.is_known())
      continue;
    if (const TargetState* target = of_.targets.find(key.target); target && target->alive())
      put_site(*target, key, site.totals);
  }
  sample_targets(now);
  if (of_.growth.keeps_sites())
    for (auto& [id, target] : of_.targets) {
      target.windows_put = target.window.ended;
      target.looks_put = target.looks;
    }
}

/// What windows tell is known at their ends.
bool Sampler::is_news(const TargetState& target) const {
  return !target.window.unfinished && target.window.ended != target.windows_put;
}

/// New pools are the site's that took them, until it is looked which sites hold what is in them:
/// of Python's objects only what a look has told is put.
void Sampler::put_site(const TargetState& target, const SiteKey& key, const SiteTotals& totals) {
  const bool by_windows = key.kind == LEAKBPF_KIND_HEAP && target.window.limited;
  const bool by_looks = key.kind == LEAKBPF_KIND_PYTHON;
  if (!by_windows && !by_looks)
    of_.growth.put_site(key, totals);
  else if (by_windows ? is_news(target) : target.looks != target.looks_put)
    of_.growth.put_site_after_gap(key, totals);
}

void Sampler::sample_targets(double now) {
  std::unordered_map<std::uint32_t, std::uint64_t> outstanding;
  for (const auto& [key, site] : of_.ledger.sites())
    if (is_summed(key, of_.by_pages))
      outstanding[key.target] += site.totals.outstanding_bytes();
  const bool keep_point = history_.begin_sample();
  MemoryLimitSample limits(limits_);
  const bool all = of_.watch.looks_at_all();
  const std::unordered_set<std::uint32_t> looked_at(of_.watch.looked_at().begin(),
                                                    of_.watch.looked_at().end());
  for (auto& [id, target] : of_.targets) {
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
      of_.growth.put_target(id, TargetSeries::looks, static_cast<double>(target.looks));
    const auto bytes = static_cast<double>(outstanding[id]);
    if (!target.window.limited)
      of_.growth.put_target(id, TargetSeries::outstanding, bytes);
    else if (is_news(target))
      of_.growth.put_target_after_gap(id, TargetSeries::outstanding, bytes);
    of_.pages.look(target, now, outstanding[id]);
    if (keep_point && looked)
      history_.add(point);
  }
  of_.rooms.look(now, [&](std::uint32_t id) {
    return HeapRoomWatch::Outstanding{outstanding_in_heap(id), outstanding[id]};
  });
  history_.end_sample(of_.targets.living());
}

std::uint64_t Sampler::outstanding_in_heap(std::uint32_t target) const {
  std::uint64_t bytes = 0;
  for (const auto& [key, site] : of_.ledger.sites())
    if (key.target == target && key.kind == LEAKBPF_KIND_HEAP)
      bytes += site.totals.outstanding_bytes();
  return bytes;
}

/// A process that is ending has no memory any more: what was known before stays.
void Sampler::look_at_memory(TargetState& target, MemoryLimitSample& limits, HistoryPoint& point) {
  const auto usage = read_memory_usage(of_.proc, target.process.pid);
  if (usage && usage->rss > 0) {
    target.rss_now = usage->rss;
    put_memory(of_.growth, target.id, *usage, !of_.watch.looks_at_all(), point);
    point.cgroup_bytes = limits.cgroup_usage(target.process.pid);
    target.limit = limits.read(target.process.pid);
  }
  point.rss_bytes = target.rss_now;
}

} // namespace leakbpf
