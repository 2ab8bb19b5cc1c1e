// SPDX-License-Identifier: Apache-2.0
#include "store/snapshot_fields.h"

#include "core/losses.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace leakbpf {

namespace {

/// A member that is an object: `take(fields)` reads it, when it is there.
template <class Take> void with_object(const Fields& fields, std::string_view key, Take take) {
  if (const InputJson* json = fields.find(key)) {
    const JsonPlace place = fields.at(key);
    take(Fields(*json, place, fields.problem()));
  }
}

/// A word out of those that `of_name` knows.
template <class T, class OfName>
void read_word(const Fields& fields, std::string_view key, T& value, OfName of_name) {
  if (fields.find(key) == nullptr)
    return;
  std::string name;
  fields.read(key, name);
  if (const auto known = of_name(name))
    value = *known;
  else
    fields.note(key, "is not one of the allowed values");
}

std::optional<leakbpf_kind> kind_of_name(std::string_view name) {
  for (int kind = 0; kind < LEAKBPF_KIND_COUNT; kind++)
    if (kind_name(static_cast<leakbpf_kind>(kind)) == name)
      return static_cast<leakbpf_kind>(kind);
  return std::nullopt;
}

std::optional<FrameKind> frame_kind_of_name(std::string_view name) {
  for (const FrameKind kind :
       {FrameKind::native, FrameKind::python, FrameKind::kernel, FrameKind::note})
    if (frame_kind_name(kind) == name)
      return kind;
  return std::nullopt;
}

/// An address or a hash: "0x1a2b".
template <class T> void read_hex(const Fields& fields, std::string_view key, T& value) {
  if (fields.find(key) == nullptr)
    return;
  std::string text;
  fields.read(key, text);
  std::uint64_t number = 0;
  const char* end = text.data() + text.size();
  const bool prefixed = text.starts_with("0x");
  const auto [stop, error] = std::from_chars(text.data() + (prefixed ? 2 : 0), end, number, 16);
  if (prefixed && error == std::errc() && stop == end)
    value = number;
  else
    fields.note(key, "is not a 64-bit hexadecimal number");
}

void read_verdict(const Fields& fields, Verdict& verdict) {
  read_word(fields, "severity", verdict.severity, severity_of_name);
  fields.read("reasons", verdict.reasons);
}

PythonReport read_python(const Fields& fields) {
  PythonReport python;
  fields.read("version", python.version);
  fields.read("problem", python.problem);
  if (fields.find("arenas") != nullptr) {
    PythonReport::SmallObjects small;
    fields.read("arenas", small.arenas);
    fields.read("arena_bytes", small.arena_bytes);
    fields.read("pools", small.pools);
    fields.read("pool_bytes", small.pool_bytes);
    fields.read("live_bytes", small.live_bytes);
    python.small_objects = small;
  }
  with_object(fields, "gc", [&](const Fields& gc) {
    PythonReport::Collections collections;
    gc.read("collections", collections.count);
    gc.read_time("pause_total_s", collections.total_seconds);
    gc.read_time("pause_max_s", collections.longest_seconds);
    python.collections = collections;
  });
  return python;
}

Container read_container(const Fields& fields) {
  Container container;
  fields.read("id", container.id);
  fields.read("runtime", container.runtime);
  fields.read("pod_uid", container.pod_uid);
  fields.read("pod_name", container.pod_name);
  return container;
}

void read_suppressed(const Fields& fields, Suppressed& suppressed) {
  fields.read("sites", suppressed.sites);
  fields.read("bytes", suppressed.bytes);
  fields.read("count", suppressed.count);
  fields.read("held", suppressed.containers);
  fields.each("rules", [&](const InputJson& json, const JsonPlace& place) {
    const Fields rule(json, place, fields.problem());
    auto& into = suppressed.rules.emplace_back();
    rule.read("pattern", into.pattern);
    rule.read("sites", into.sites);
    rule.read("bytes", into.bytes);
  });
}

Overhead read_overhead(const Fields& fields) {
  Overhead overhead;
  fields.read("probe_hits", overhead.probe_hits);
  fields.read("percent_of_one_core", overhead.percent_of_one_core);
  fields.read("duty_cycle", overhead.duty_cycle);
  fields.read("present_percent_of_one_core", overhead.present_percent_of_one_core);
  return overhead;
}

} // namespace

Frame read_frame(const Fields& fields) {
  Frame frame;
  read_word(fields, "kind", frame.kind, frame_kind_of_name);
  fields.read("function", frame.function);
  fields.read("module", frame.module);
  fields.read("build_id", frame.build_id);
  read_hex(fields, "offset", frame.offset);
  fields.read("file", frame.file);
  fields.read("line", frame.line);
  fields.read("inlined", frame.inlined);
  fields.read("tail_call", frame.tail_call);
  return frame;
}

TargetReport read_target(const Fields& fields) {
  TargetReport target;
  fields.require("pid", target.pid);
  fields.read("ppid", target.ppid);
  fields.read("comm", target.comm);
  fields.read("cmdline", target.command_line);
  fields.read("exe", target.executable);
  fields.read("cgroup", target.cgroup);
  with_object(fields, "container",
              [&](const Fields& container) { target.container = read_container(container); });
  fields.read("pid_in_namespace", target.namespaced_pid);
  fields.read("started_at", target.started_at);
  with_object(fields, "ended", [&](const Fields& ended) {
    target.ended.emplace();
    ended.read("how", target.ended->how);
    ended.read_time("at_s", target.ended->at_seconds);
  });
  fields.read("rss_start_bytes", target.rss_start_bytes);
  fields.read("rss_end_bytes", target.rss_end_bytes);
  fields.read("rss_growth_bytes_per_min", target.rss_growth_bytes_per_minute);
  if (fields.find("memory_limit_bytes") != nullptr) {
    target.limit.emplace();
    fields.read("memory_limit_bytes", target.limit->bytes);
    fields.read("limit_source", target.limit->source);
  }
  fields.read_time("seconds_to_limit", target.seconds_to_limit);
  fields.read("outstanding_bytes", target.outstanding_bytes);
  fields.read("outstanding_count", target.outstanding_count);
  fields.read("explained_percent", target.explained_percent);
  with_object(fields, "verdict",
              [&](const Fields& verdict) { read_verdict(verdict, target.verdict); });
  with_object(fields, "overhead",
              [&](const Fields& overhead) { target.overhead = read_overhead(overhead); });
  with_object(fields, "python", [&](const Fields& python) { target.python = read_python(python); });
  return target;
}

HistoryPoint read_history_point(const Fields& fields) {
  HistoryPoint point;
  fields.read_time("t_s", point.t_seconds);
  fields.require("pid", point.pid);
  fields.read("rss_bytes", point.rss_bytes);
  fields.read("outstanding_bytes", point.outstanding_bytes);
  fields.read("anonymous_bytes", point.anonymous_bytes);
  fields.read("file_bytes", point.file_bytes);
  fields.read("shared_bytes", point.shared_bytes);
  fields.read("swap_bytes", point.swap_bytes);
  fields.read("cgroup_bytes", point.cgroup_bytes);
  return point;
}

ReachReport read_reach(const Fields& fields) {
  ReachReport reach;
  std::string verdict;
  fields.require("verdict", verdict);
  if (verdict != "lost" && verdict != "held")
    fields.note("verdict", "is not one of the allowed values");
  reach.lost = verdict == "lost";
  fields.read("by", reach.by);
  fields.read("share", reach.share);
  if (reach.share < 0 || reach.share > 1)
    fields.note("share", "is not from 0 to 1");
  fields.read("blocks", reach.blocks);
  return reach;
}

SiteReport read_site(const Fields& fields) {
  SiteReport site;
  fields.read("rank", site.rank);
  fields.require("pid", site.pid);
  std::uint64_t processes = 1;
  fields.read("processes", processes);
  site.processes = std::max<std::uint64_t>(processes, 1);
  std::uint64_t stacks = 1;
  fields.read("stacks", stacks);
  site.stacks = std::max<std::uint64_t>(stacks, 1);
  read_word(fields, "kind", site.key.kind, kind_of_name);
  read_hex(fields, "stack", site.key.stack_hash);
  fields.require("allocated_bytes", site.totals.allocated_bytes);
  fields.require("allocated_count", site.totals.allocated_count);
  fields.require("freed_bytes", site.totals.freed_bytes);
  fields.require("freed_count", site.totals.freed_count);
  fields.read("growth_bytes_per_min", site.growth_bytes_per_minute);
  fields.read_time("oldest_age_s", site.oldest_age_seconds);
  fields.read_time("median_age_s", site.median_age_seconds);
  fields.read("old_survival_percent", site.old_survival_percent);
  fields.read_time("survival_age_s", site.survival_age_seconds);
  read_verdict(fields, site.verdict);
  fields.read("score", site.score);
  fields.read("estimated", site.estimated);
  fields.read("standard_error_bytes", site.standard_error_bytes);
  fields.read("resident_bytes", site.resident_bytes);
  fields.read("culprit", site.culprit);
  fields.read("series", site.series);
  with_object(fields, "reach", [&](const Fields& reach) { site.reach = read_reach(reach); });
  return site;
}

HeldReport read_held(const Fields& fields) {
  HeldReport row;
  fields.read("rank", row.rank);
  fields.require("pid", row.pid);
  fields.require("path", row.path);
  fields.read("type", row.type);
  fields.read("processes", row.processes);
  row.processes = std::max<std::uint64_t>(row.processes, 1);
  fields.read("containers", row.containers);
  fields.read("entries", row.entries);
  fields.read("entries_per_min", row.entries_per_minute);
  fields.read("contents", row.contents);
  fields.read("bytes", row.bytes);
  fields.read("growth_bytes_per_min", row.growth_bytes_per_minute);
  read_verdict(fields, row.verdict);
  fields.read("score", row.score);
  fields.each("lines", [&](const InputJson& json, const JsonPlace& place) {
    const Fields members(json, place, fields.problem());
    HeldLine& line = row.lines.emplace_back();
    members.require("file", line.file);
    members.read("line", line.line);
    members.read("function", line.function);
    members.read("text", line.text);
    read_word(members, "evidence", line.evidence, evidence_named);
    members.read("calls", line.calls);
  });
  fields.read("no_line", row.no_line);
  read_word(fields, "pattern", row.pattern, pattern_named);
  fields.read("note", row.note);
  fields.read("fix", row.fix);
  fields.read("also", row.also);
  fields.read("series_t_s", row.series_times);
  fields.read("series", row.series);
  if (row.series.size() != row.series_times.size())
    fields.note("series", "is not as long as series_t_s");
  return row;
}

void read_run(const Fields& fields, Report& report) {
  with_object(fields, "tool", [&](const Fields& tool) {
    tool.read("version", report.version);
    tool.read("backend", report.backend);
  });
  with_object(fields, "host", [&](const Fields& host) {
    host.read("hostname", report.host.hostname);
    host.read("kernel", report.host.kernel);
    host.read("arch", report.host.arch);
    host.read("cpus", report.host.cpus);
  });
  fields.read("started_at", report.started_at);
  fields.read_time("duration_s", report.duration_seconds);
  with_object(fields, "sampling", [&](const Fields& sampling) {
    sampling.read("mean_bytes", report.sampling.mean_bytes);
    sampling.read("exact", report.sampling.exact);
  });
  with_object(fields, "overhead",
              [&](const Fields& overhead) { report.overhead = read_overhead(overhead); });
  with_object(fields, "losses", [&](const Fields& losses) {
    for (int loss = 0; loss < LEAKBPF_LOSS_COUNT; loss++) {
      const auto which = static_cast<leakbpf_loss>(loss);
      losses.read(loss_text(which).key, report.losses.at(which));
    }
  });
  with_object(fields, "suppressed",
              [&](const Fields& suppressed) { read_suppressed(suppressed, report.suppressed); });
  fields.read("site_count", report.site_count);
}

} // namespace leakbpf
