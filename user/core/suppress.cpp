// SPDX-License-Identifier: Apache-2.0
#include "core/suppress.h"

#include <algorithm>

namespace leakbpf {

namespace {

bool grows(const SiteReport& site) {
  return site.verdict.severity.value_or(Severity::none) != Severity::none;
}

} // namespace

void count_suppressed(Suppressed& suppressed, const Suppression& rule, const SiteTotals& totals) {
  auto& rules = suppressed.rules;
  auto counted = std::find_if(rules.begin(), rules.end(),
                              [&](const auto& known) { return known.pattern == rule.name; });
  if (counted == rules.end())
    counted = rules.insert(rules.end(), {rule.name, 0, 0});
  counted->sites++;
  counted->bytes += totals.outstanding_bytes();
  suppressed.sites++;
  suppressed.bytes += totals.outstanding_bytes();
  suppressed.count += totals.outstanding_count();
}

void apply_suppressions(Report& report, const Suppressions& suppressions) {
  SuppressionMatcher matcher(suppressions);
  std::size_t rank = 0;
  const auto is_hidden = [&](SiteReport& site) {
    const Suppression* rule = matcher.match(site.frames);
    if (!rule || (rule->is_builtin() && grows(site))) {
      site.rank = ++rank;
      return false;
    }
    count_suppressed(report.suppressed, *rule, site.totals);
    return true;
  };
  std::vector<SiteReport> shown;
  for (SiteReport& site : report.sites)
    if (!is_hidden(site))
      shown.push_back(std::move(site));
  report.site_count -= std::min(report.site_count, report.sites.size() - shown.size());
  report.sites = std::move(shown);
  std::stable_sort(report.suppressed.rules.begin(), report.suppressed.rules.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
}

} // namespace leakbpf
