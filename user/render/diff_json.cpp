// SPDX-License-Identifier: Apache-2.0
#include "render/diff_json.h"

#include "render/json_held.h"
#include "render/json_lines.h"

namespace leakbpf {

namespace {

OutputJson target_of_side(const TargetReport& target) {
  OutputJson json;
  json["pid"] = target.pid;
  json["comm"] = target.comm;
  json["cmdline"] = target.command_line;
  json["rss_end_bytes"] = known(target.rss_end_bytes);
  json["rss_growth_bytes_per_min"] = known(target.rss_growth_bytes_per_minute);
  json["outstanding_bytes"] = target.outstanding_bytes;
  json["outstanding_count"] = target.outstanding_count;
  json["verdict"] = target_verdict_json(target);
  return json;
}

OutputJson side_json(const DiffSide& side) {
  OutputJson json;
  json["file"] = side.file;
  json["started_at"] = known(side.started_at);
  json["duration_s"] = side.duration_seconds;
  json["outstanding_bytes"] = side.outstanding_bytes;
  json["outstanding_count"] = side.outstanding_count;
  json["targets"] = OutputJson::array();
  for (const TargetReport& target : side.targets)
    json["targets"].push_back(target_of_side(target));
  json["losses"] = side.losses;
  return json;
}

OutputJson figures_json(const std::optional<DiffFigures>& figures) {
  if (!figures)
    return nullptr;
  OutputJson json;
  json["outstanding_bytes"] = figures->totals.outstanding_bytes();
  json["outstanding_count"] = figures->totals.outstanding_count();
  json["allocated_bytes"] = figures->totals.allocated_bytes;
  json["allocated_count"] = figures->totals.allocated_count;
  json["freed_bytes"] = figures->totals.freed_bytes;
  json["freed_count"] = figures->totals.freed_count;
  json["growth_bytes_per_min"] = known(figures->growth_bytes_per_minute);
  json["severity"] = severity_json(figures->severity);
  return json;
}

/// DiffRow::bytes_change() to the byte: a double is not exact above 2^53.
OutputJson bytes_change_json(const DiffRow& row) {
  const auto bytes = [](const std::optional<DiffFigures>& side) {
    return side ? side->totals.outstanding_bytes() : 0;
  };
  return static_cast<std::int64_t>(bytes(row.after) - bytes(row.before));
}

OutputJson row_json(const DiffRow& row) {
  OutputJson json;
  json["rank"] = row.rank;
  json["kind"] = kind_name(row.kind);
  json["change"] = change_name(row.change);
  json["before"] = figures_json(row.before);
  json["after"] = figures_json(row.after);
  json["bytes_change"] = bytes_change_json(row);
  json["growth_change_bytes_per_min"] = row.growth_change();
  return json;
}

OutputJson figures_json(const std::optional<HeldFigures>& figures) {
  if (!figures)
    return nullptr;
  OutputJson json;
  json["entries"] = figures->entries;
  json["bytes"] = figures->bytes;
  json["growth_bytes_per_min"] = known(figures->growth_bytes_per_minute);
  json["severity"] = severity_json(figures->severity);
  return json;
}

OutputJson held_json(const HeldChange& change) {
  OutputJson json;
  json["path"] = change.row.path;
  json["type"] = change.row.type;
  json["change"] = change_name(change.change);
  json["before"] = figures_json(change.before);
  json["after"] = figures_json(change.after);
  json["growth_change_bytes_per_min"] = change.growth_change();
  json["lines"] = held_lines_json(change.row);
  return json;
}

} // namespace

std::string render_json(const Diff& diff) {
  JsonLines out("leakbpf.diff/1");
  out.member("tool", {{"version", diff.version}});
  out.member("compared_by", diff.by_rate ? "growth" : "bytes");
  out.member("before", side_json(diff.before));
  out.member("after", side_json(diff.after));
  OutputJson held = OutputJson::array();
  for (const HeldChange& change : diff.held)
    held.push_back(held_json(change));
  out.member("held", held);
  FrameLists frames;
  out.list("rows", diff.rows, [&](std::string& text, const DiffRow& row) {
    append_object(text, row_json(row), [&](std::string& members) {
      frames.append(members, row.frames, row.culprit, row.source);
    });
  });
  return std::move(out).finish();
}

} // namespace leakbpf
