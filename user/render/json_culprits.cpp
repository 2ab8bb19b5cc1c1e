// SPDX-License-Identifier: Apache-2.0
#include "render/json_culprits.h"

#include "core/culprit_rows.h"
#include "core/one_ladder.h"

namespace leakbpf {

OutputJson culprits_json(const Report& report) {
  OutputJson rows = OutputJson::array();
  for (const std::vector<std::size_t>& indices : adjacent_culprits(report.sites)) {
    const SiteReport& first = report.sites[indices.front()];
    if (first.behind || !any_grows(report.sites, indices) || first.culprit >= first.frames.size())
      continue;
    SiteReport row = culprit_row(report.sites, indices);
    grade_by_target(row, report);
    const Frame& frame = row.frames[row.culprit];
    OutputJson json;
    json["rank"] = rows.size() + 1;
    json["pid"] = row.pid;
    json["target"] = row.target;
    json["kind"] = kind_name(row.key.kind);
    json["function"] = known(frame.function);
    json["module"] = known(frame.module);
    json["file"] = known(frame.file);
    json["line"] = frame.line != 0 ? OutputJson(frame.line) : OutputJson(nullptr);
    json["stacks"] = row.stacks;
    json["site_ranks"] = OutputJson::array();
    for (const std::size_t index : indices)
      json["site_ranks"].push_back(report.sites[index].rank);
    json["outstanding_bytes"] = row.totals.outstanding_bytes();
    json["outstanding_count"] = row.totals.outstanding_count();
    json["growth_bytes_per_min"] = known(row.growth_bytes_per_minute);
    json["severity"] = severity_json(row.verdict.severity);
    json["score"] = known(row.score);
    json["standard_error_bytes"] = known(row.standard_error_bytes);
    rows.push_back(std::move(json));
  }
  return rows;
}

} // namespace leakbpf
