// SPDX-License-Identifier: Apache-2.0
#include "render/json_held.h"

namespace leakbpf {

namespace {

OutputJson line_json(const HeldLine& line) {
  OutputJson json;
  json["file"] = line.file;
  json["line"] = line.line;
  json["function"] = known(line.function);
  json["text"] = known(line.text);
  json["evidence"] = evidence_name(line.evidence);
  json["calls"] = line.calls;
  return json;
}

} // namespace

OutputJson held_lines_json(const HeldReport& row) {
  OutputJson lines = OutputJson::array();
  for (const HeldLine& line : row.lines)
    lines.push_back(line_json(line));
  return lines;
}

OutputJson held_json(const HeldReport& row) {
  OutputJson json;
  json["rank"] = row.rank;
  json["pid"] = row.pid;
  json["target"] = row.target;
  json["processes"] = row.processes;
  json["path"] = row.path;
  json["type"] = row.type;
  json["containers"] = row.containers;
  json["entries"] = row.entries;
  json["entries_per_min"] = known(row.entries_per_minute);
  json["contents"] = known(row.contents);
  json["bytes"] = known(row.bytes);
  json["growth_bytes_per_min"] = known(row.growth_bytes_per_minute);
  json["severity"] = severity_json(row.verdict.severity);
  json["score"] = known(row.score);
  json["reasons"] = row.verdict.reasons;
  json["estimated"] = true;
  json["lines"] = held_lines_json(row);
  json["no_line"] = known(row.no_line);
  json["pattern"] = row.pattern ? OutputJson(pattern_name(*row.pattern)) : OutputJson(nullptr);
  json["note"] = known(row.note);
  json["fix"] = known(row.fix);
  json["also"] = row.also;
  json["series_t_s"] = row.series_times;
  json["series"] = row.series;
  return json;
}

} // namespace leakbpf
