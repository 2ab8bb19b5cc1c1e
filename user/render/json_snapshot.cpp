// SPDX-License-Identifier: Apache-2.0
#include "render/json_snapshot.h"

#include "core/losses.h"
#include "render/json_culprits.h"
#include "render/json_held.h"

#include <fmt/format.h>

namespace leakbpf {

namespace {

OutputJson python_json(const PythonReport& python) {
  OutputJson json;
  json["version"] = known(python.version);
  json["frames"] = python.problem.empty();
  json["problem"] = known(python.problem);
  const auto& small = python.small_objects;
  json["arenas"] = small ? OutputJson(small->arenas) : OutputJson(nullptr);
  json["arena_bytes"] = small ? OutputJson(small->arena_bytes) : OutputJson(nullptr);
  json["pools"] = small ? OutputJson(small->pools) : OutputJson(nullptr);
  json["pool_bytes"] = small ? OutputJson(small->pool_bytes) : OutputJson(nullptr);
  json["live_bytes"] = small ? OutputJson(small->live_bytes) : OutputJson(nullptr);
  json["gc"] = nullptr;
  if (const auto& gc = python.collections)
    json["gc"] = {{"collections", gc->count},
                  {"pause_total_s", gc->total_seconds},
                  {"pause_max_s", gc->longest_seconds}};
  return json;
}

OutputJson container_json(const Container& container) {
  OutputJson json;
  json["id"] = container.id;
  json["runtime"] = known(container.runtime);
  json["pod_uid"] = known(container.pod_uid);
  json["pod_name"] = known(container.pod_name);
  return json;
}

OutputJson overhead_json(const Overhead& overhead) {
  OutputJson json;
  json["probe_hits"] = overhead.probe_hits;
  json["percent_of_one_core"] = known(overhead.percent_of_one_core);
  json["duty_cycle"] = overhead.duty_cycle;
  json["present_percent_of_one_core"] = known(overhead.present_percent_of_one_core);
  return json;
}

OutputJson target_json(const TargetReport& target) {
  OutputJson json;
  json["pid"] = target.pid;
  json["ppid"] = target.ppid;
  json["comm"] = target.comm;
  json["cmdline"] = target.command_line;
  json["exe"] = known(target.executable);
  json["cgroup"] = known(target.cgroup);
  json["container"] = target.container ? container_json(*target.container) : OutputJson(nullptr);
  json["pid_in_namespace"] = known(target.namespaced_pid);
  json["started_at"] = known(target.started_at);
  json["ended"] = nullptr;
  if (target.ended)
    json["ended"] = {{"how", target.ended->how}, {"at_s", target.ended->at_seconds}};
  json["rss_start_bytes"] = known(target.rss_start_bytes);
  json["rss_end_bytes"] = known(target.rss_end_bytes);
  json["rss_growth_bytes_per_min"] = known(target.rss_growth_bytes_per_minute);
  json["memory_limit_bytes"] = target.limit ? OutputJson(target.limit->bytes) : OutputJson(nullptr);
  json["limit_source"] = target.limit ? known(target.limit->source) : OutputJson(nullptr);
  json["seconds_to_limit"] = known(target.seconds_to_limit);
  json["outstanding_bytes"] = target.outstanding_bytes;
  json["outstanding_count"] = target.outstanding_count;
  json["explained_percent"] = known(target.explained_percent);
  if (target.python)
    json["python"] = python_json(*target.python);
  if (target.overhead)
    json["overhead"] = overhead_json(*target.overhead);
  json["verdict"] = target_verdict_json(target);
  return json;
}

OutputJson sampling_json(const Sampling& sampling) {
  OutputJson json;
  json["mean_bytes"] = sampling.mean_bytes;
  json["exact"] = sampling.exact;
  return json;
}

OutputJson losses_json(const Report& report) {
  OutputJson json;
  for (int loss = 0; loss < LEAKBPF_LOSS_COUNT; loss++) {
    const auto which = static_cast<leakbpf_loss>(loss);
    json[std::string(loss_text(which).key)] = report.losses.at(which);
  }
  return json;
}

OutputJson history_json(const HistoryPoint& point) {
  OutputJson json;
  json["t_s"] = point.t_seconds;
  json["pid"] = point.pid;
  json["rss_bytes"] = known(point.rss_bytes);
  json["outstanding_bytes"] = point.outstanding_bytes;
  json["anonymous_bytes"] = known(point.anonymous_bytes);
  json["file_bytes"] = known(point.file_bytes);
  json["shared_bytes"] = known(point.shared_bytes);
  json["swap_bytes"] = known(point.swap_bytes);
  json["cgroup_bytes"] = known(point.cgroup_bytes);
  return json;
}

OutputJson suppressed_json(const Suppressed& suppressed) {
  OutputJson json;
  json["sites"] = suppressed.sites;
  json["bytes"] = suppressed.bytes;
  json["count"] = suppressed.count;
  json["held"] = suppressed.containers;
  json["rules"] = OutputJson::array();
  for (const Suppressed::Rule& rule : suppressed.rules)
    json["rules"].push_back(
        {{"pattern", rule.pattern}, {"sites", rule.sites}, {"bytes", rule.bytes}});
  return json;
}

} // namespace

OutputJson site_json(const SiteReport& site) {
  OutputJson json;
  json["rank"] = site.rank;
  json["pid"] = site.pid;
  json["processes"] = site.processes;
  json["stacks"] = site.stacks;
  json["target"] = site.target;
  json["kind"] = kind_name(site.key.kind);
  json["stack"] = fmt::format("{:#x}", site.key.stack_hash);
  json["outstanding_bytes"] = site.totals.outstanding_bytes();
  json["outstanding_count"] = site.totals.outstanding_count();
  json["allocated_bytes"] = site.totals.allocated_bytes;
  json["allocated_count"] = site.totals.allocated_count;
  json["freed_bytes"] = site.totals.freed_bytes;
  json["freed_count"] = site.totals.freed_count;
  json["growth_bytes_per_min"] = known(site.growth_bytes_per_minute);
  json["oldest_age_s"] = known(site.oldest_age_seconds);
  json["median_age_s"] = known(site.median_age_seconds);
  json["survival_percent"] = known(site.survival_percent());
  json["old_survival_percent"] = known(site.old_survival_percent);
  json["survival_age_s"] = known(site.survival_age_seconds);
  json["severity"] = severity_json(site.verdict.severity);
  json["score"] = known(site.score);
  json["reasons"] = site.verdict.reasons;
  json["estimated"] = site.estimated;
  json["standard_error_bytes"] = known(site.standard_error_bytes);
  if (site.resident_bytes)
    json["resident_bytes"] = *site.resident_bytes;
  if (site.reach)
    json["reach"] = {{"verdict", site.reach->lost ? "lost" : "held"},
                     {"by", known(site.reach->by)},
                     {"share", site.reach->share},
                     {"blocks", site.reach->blocks}};
  if (!site.series.empty())
    json["series"] = site.series;
  return json;
}

void write_head(JsonLines& out, const Report& report) {
  out.member("tool", {{"version", report.version}, {"backend", report.backend}});
  out.member("host", {{"hostname", report.host.hostname},
                      {"kernel", report.host.kernel},
                      {"arch", report.host.arch},
                      {"cpus", report.host.cpus}});
  out.member("started_at", report.started_at);
  out.member("duration_s", report.duration_seconds);
  out.member("sampling", sampling_json(report.sampling));
  out.member("overhead", overhead_json(report.overhead));
  out.member("losses", losses_json(report));
  out.list("targets", report.targets, [](std::string& text, const TargetReport& target) {
    text += json_text(target_json(target));
  });
  out.member("suppressed", suppressed_json(report.suppressed));
  out.member("site_count", report.site_count);
  out.member("series_t_s", report.series_times);
}

void write_tail(JsonLines& out, const Report& report) {
  out.member("culprits", culprits_json(report));
  out.list("held", report.held,
           [](std::string& text, const HeldReport& row) { text += json_text(held_json(row)); });
  out.list("history", report.history, [](std::string& text, const HistoryPoint& point) {
    text += json_text(history_json(point));
  });
}

} // namespace leakbpf
