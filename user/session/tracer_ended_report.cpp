// SPDX-License-Identifier: Apache-2.0
// What a report of a Tracer shows of targets that have ended: all of them when it is whole, and in
// a table those that stand out, which are found without a look at all of them.
#include "core/suppress.h"
#include "session/tracer.h"

#include <map>

namespace leakbpf {

/// The row of a site, if it is shown.
std::optional<SiteReport> Tracer::ended_row(const EndedTarget& target, const EndedSite& site,
                                            bool whole, Suppressed& suppressed) {
  SiteReport row = site.row(target.report.pid);
  const bool sustained = grows(row.verdict.severity);
  if (const Suppression* rule = hidden_by(row, sustained, whole)) {
    count_suppressed(suppressed, *rule, row.totals);
    return std::nullopt;
  }
  if (is_dropped(row, !whole) || filtered_out(row))
    return std::nullopt;
  if (options_.group_by != GroupBy::stack && !sustained) { // of many, nobody asks why
    row.verdict.reasons.clear();
    row.score.reset();
  }
  return row;
}

/// Its children may still take their share of what following them all costs.
TargetReport Tracer::ended_report(const EndedTarget& target) const {
  TargetReport report = target.report;
  if (report.overhead)
    report.overhead = overhead_of(windows_.cost(target.group));
  return report;
}

/// In the order in which they began, as targets are.
void Tracer::add_all_ended(Report& report, std::vector<SiteReport>& sites, TargetIndex& index) {
  std::map<std::uint32_t, TargetReport> by_id;
  for (const auto& [id, at] : index)
    by_id.emplace(id, std::move(report.targets[at]));
  for (const auto& [id, target] : ended_.all()) {
    by_id.emplace(id, ended_report(target));
    for (const EndedSite& site : target.sites)
      if (auto row = ended_row(target, site, true, report.suppressed))
        sites.push_back(std::move(*row));
  }
  report.targets.clear();
  for (auto& [id, target] : by_id) {
    index[id] = report.targets.size();
    report.targets.push_back(std::move(target));
  }
}

void Tracer::add_worst_ended(Report& report, std::size_t rows, const SiteOrder& order,
                             TargetIndex& index) {
  ended_rows_.update(
      ended_, {rows, order, options_.group_by,
               [this](const EndedTarget& target, const EndedSite& site, Suppressed& suppressed) {
                 return ended_row(target, site, false, suppressed);
               },
               [this](const SiteReport& site) { return group_of(site); }});
  add_suppressed(report.suppressed, ended_rows_.suppressed());
  for (const std::uint32_t id : ended_rows_.worst()) {
    index[id] = report.targets.size();
    report.targets.push_back(ended_report(*ended_.find(id)));
  }
}

} // namespace leakbpf
