// SPDX-License-Identifier: Apache-2.0
#include "core/ranking.h"

#include "core/regex_search.h"

#include <algorithm>

namespace leakbpf {

namespace {

double measure(SortOrder order, const SiteReport& site) {
  switch (order) {
  case SortOrder::growth:
    return site.growth_bytes_per_minute.value_or(0);
  case SortOrder::count:
    return static_cast<double>(site.totals.outstanding_count());
  case SortOrder::age:
    return site.oldest_age_seconds.value_or(-1);
  default:
    return static_cast<double>(site.totals.outstanding_bytes());
  }
}

bool is_sustained(const SiteReport& site) {
  return site.verdict.severity.value_or(Severity::none) != Severity::none;
}

bool ranks_before(SortOrder order, const SiteReport& a, const SiteReport& b) {
  if (order == SortOrder::growth && is_sustained(a) != is_sustained(b))
    return is_sustained(a);
  if (const double first = measure(order, a), second = measure(order, b); first != second)
    return first > second;
  if (a.totals.outstanding_bytes() != b.totals.outstanding_bytes())
    return a.totals.outstanding_bytes() > b.totals.outstanding_bytes();
  return a.key < b.key;
}

GroupFrame group_of(const Report& report, GroupBy by, const SiteReport& site) {
  if (by != GroupBy::process)
    return group_frame(by, site.frames, site.culprit);
  Frame process;
  process.kind = FrameKind::note;
  process.function = report.targets.at(site.target).comm;
  return {"", process};
}

} // namespace

SiteOrder site_order(SortOrder sort) {
  return [sort](const SiteReport& a, const SiteReport& b) { return ranks_before(sort, a, b); };
}

bool stack_matches(const Frames& frames, const std::regex& pattern) {
  const auto matches = [&](const std::string& text) { return has_match(text, pattern); };
  return std::any_of(frames.begin(), frames.end(), [&](const Frame& frame) {
    return matches(frame.function) || matches(frame.file) || matches(frame.module);
  });
}

void arrange(Report& report, const Arrangement& arrangement) {
  std::vector<SiteReport>& sites = report.sites;
  if (arrangement.filter)
    std::erase_if(sites, [&](const SiteReport& site) {
      return !stack_matches(site.frames, *arrangement.filter);
    });
  if (arrangement.rows != 0)
    std::erase_if(sites,
                  [](const SiteReport& site) { return site.totals.outstanding_count() == 0; });
  if (arrangement.group_by != GroupBy::stack)
    sites = merge_sites(std::move(sites), arrangement.group_by, [&](const SiteReport& site) {
      return group_of(report, arrangement.group_by, site);
    });
  std::sort(sites.begin(), sites.end(), site_order(arrangement.sort));
  report.site_count = sites.size();
  if (arrangement.rows != 0 && sites.size() > arrangement.rows)
    sites.erase(sites.begin() + static_cast<std::ptrdiff_t>(arrangement.rows), sites.end());
  for (std::size_t i = 0; i < sites.size(); i++)
    sites[i].rank = i + 1;
}

} // namespace leakbpf
