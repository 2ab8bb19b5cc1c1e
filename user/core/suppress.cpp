// SPDX-License-Identifier: Apache-2.0
#include "core/suppress.h"

#include <algorithm>

namespace leakbpf {

namespace {

Suppressed::Rule& rule_in(Suppressed& suppressed, const std::string& pattern) {
  auto& rules = suppressed.rules;
  const auto known = std::find_if(rules.begin(), rules.end(),
                                  [&](const auto& rule) { return rule.pattern == pattern; });
  return known != rules.end() ? *known : *rules.insert(rules.end(), {pattern, 0, 0});
}

} // namespace

void count_suppressed(Suppressed& suppressed, const Suppression& rule, const SiteTotals& totals) {
  Suppressed::Rule& counted = rule_in(suppressed, rule.name);
  counted.sites++;
  counted.bytes += totals.outstanding_bytes();
  suppressed.sites++;
  suppressed.bytes += totals.outstanding_bytes();
  suppressed.count += totals.outstanding_count();
}

void count_suppressed(Suppressed& suppressed, const Suppression& rule) {
  rule_in(suppressed, rule.name);
  suppressed.containers++;
}

void add_suppressed(Suppressed& suppressed, const Suppressed& more) {
  for (const Suppressed::Rule& rule : more.rules) {
    Suppressed::Rule& counted = rule_in(suppressed, rule.pattern);
    counted.sites += rule.sites;
    counted.bytes += rule.bytes;
  }
  suppressed.sites += more.sites;
  suppressed.bytes += more.bytes;
  suppressed.count += more.count;
  suppressed.containers += more.containers;
}

void apply_suppressions(Report& report, const Suppressions& suppressions) {
  SuppressionMatcher matcher(suppressions);
  std::size_t rank = 0;
  const auto is_hidden = [&](SiteReport& site) {
    const Suppression* rule = matcher.match(site.frames);
    if (!rule || (rule->is_builtin() && grows(site.verdict.severity))) {
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
  std::erase_if(report.held, [&](const HeldReport& row) {
    const Suppression* rule = suppressions.match(held_frames(row));
    if (rule)
      count_suppressed(report.suppressed, *rule);
    return rule != nullptr;
  });
  rank = 0;
  for (HeldReport& row : report.held)
    row.rank = ++rank;
  std::stable_sort(report.suppressed.rules.begin(), report.suppressed.rules.end(),
                   [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
}

} // namespace leakbpf
