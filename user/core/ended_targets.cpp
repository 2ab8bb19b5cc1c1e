// SPDX-License-Identifier: Apache-2.0
#include "core/ended_targets.h"

#include <algorithm>
#include <span>
#include <utility>

namespace leakbpf {

namespace {

bool says_more(const SiteReport& row) {
  return row.growth_bytes_per_minute || row.oldest_age_seconds || row.verdict.severity || row.score;
}

} // namespace

EndedSite::EndedSite(const SiteReport& row)
    : key_(row.key), totals_(row.totals), standard_error_bytes_(row.standard_error_bytes),
      estimated_(row.estimated),
      more_(says_more(row) ? std::make_unique<SiteReport>(row) : nullptr) {}

void EndedSite::add(const SiteTotals& more) {
  totals_ += more;
  if (more_)
    more_->totals = totals_;
}

SiteReport EndedSite::row(std::int32_t pid) const {
  if (more_)
    return *more_;
  SiteReport row;
  row.pid = pid;
  row.key = key_;
  row.totals = totals_;
  row.estimated = estimated_;
  row.standard_error_bytes = standard_error_bytes_;
  return row;
}

void EndedTargets::add(EndedTarget target) {
  for (const EndedSite& site : target.sites)
    allocated_count_ += site.totals().allocated_count;
  target.sites.shrink_to_fit();
  const std::uint32_t id = target.id;
  if (targets_.emplace(id, std::move(target)).second)
    arrivals_.push_back(id);
}

void EndedTargets::add_totals(const SiteKey& key, const SiteTotals& more) {
  const auto found = targets_.find(key.target);
  if (found == targets_.end())
    return;
  EndedTarget& target = found->second;
  auto site = std::find_if(target.sites.begin(), target.sites.end(),
                           [&](const EndedSite& known) { return known.key() == key; });
  if (site == target.sites.end()) {
    SiteReport row;
    row.pid = target.report.pid;
    row.key = key;
    site = target.sites.insert(site, EndedSite(row));
  }
  target.report.outstanding_bytes -= site->totals().outstanding_bytes();
  target.report.outstanding_count -= site->totals().outstanding_count();
  site->add(more);
  target.report.outstanding_bytes += site->totals().outstanding_bytes();
  target.report.outstanding_count += site->totals().outstanding_count();
  allocated_count_ += more.allocated_count;
  generation_++;
}

const EndedTarget* EndedTargets::find(std::uint32_t id) const {
  const auto found = targets_.find(id);
  return found == targets_.end() ? nullptr : &found->second;
}

std::vector<EndedTarget> EndedTargets::evict(std::size_t most, std::size_t kept) {
  std::vector<EndedTarget> evicted;
  if (targets_.size() <= most)
    return evicted;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> order; // bytes outstanding, id
  order.reserve(targets_.size());
  for (const auto& [id, target] : targets_)
    order.emplace_back(target.report.outstanding_bytes, id);
  std::sort(order.begin(), order.end());
  for (const auto& [bytes, id] : std::span(order).first(order.size() - kept)) {
    const auto found = targets_.find(id);
    for (const EndedSite& site : found->second.sites)
      allocated_count_ -= site.totals().allocated_count;
    evicted.push_back(std::move(found->second));
    targets_.erase(found);
  }
  std::erase_if(arrivals_, [this](std::uint32_t id) { return !targets_.contains(id); });
  generation_++;
  return evicted;
}

} // namespace leakbpf
