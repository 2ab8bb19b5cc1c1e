// SPDX-License-Identifier: Apache-2.0
#include "render/json.h"

#include "core/losses.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace leakbpf {

namespace {

using Json = nlohmann::ordered_json; // keys in the order of the schema

template <class T> Json known(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}
Json known(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}
Json rounded(const std::optional<double>& value) {
  return value ? Json(std::round(*value * 100) / 100) : Json(nullptr);
}

Json python_json(const PythonReport& python) {
  Json json;
  json["version"] = known(python.version);
  json["frames"] = python.problem.empty();
  json["problem"] = known(python.problem);
  const auto& small = python.small_objects;
  json["arenas"] = small ? Json(small->arenas) : Json(nullptr);
  json["arena_bytes"] = small ? Json(small->arena_bytes) : Json(nullptr);
  json["pools"] = small ? Json(small->pools) : Json(nullptr);
  json["pool_bytes"] = small ? Json(small->pool_bytes) : Json(nullptr);
  json["live_bytes"] = small ? Json(small->live_bytes) : Json(nullptr);
  json["gc"] = nullptr;
  if (const auto& gc = python.collections)
    json["gc"] = {{"collections", gc->count},
                  {"pause_total_s", gc->total_seconds},
                  {"pause_max_s", gc->longest_seconds}};
  return json;
}

Json target_json(const TargetReport& target) {
  Json json;
  json["pid"] = target.pid;
  json["ppid"] = target.ppid;
  json["comm"] = target.comm;
  json["cmdline"] = target.command_line;
  json["exe"] = known(target.executable);
  json["cgroup"] = known(target.cgroup);
  json["started_at"] = known(target.started_at);
  json["ended"] = nullptr;
  if (target.ended)
    json["ended"] = {{"how", target.ended->how}, {"at_s", target.ended->at_seconds}};
  json["rss_start_bytes"] = known(target.rss_start_bytes);
  json["rss_end_bytes"] = known(target.rss_end_bytes);
  json["rss_growth_bytes_per_min"] = rounded(target.rss_growth_bytes_per_minute);
  json["memory_limit_bytes"] = nullptr;
  json["limit_source"] = nullptr;
  json["seconds_to_limit"] = nullptr;
  json["outstanding_bytes"] = target.outstanding_bytes;
  json["outstanding_count"] = target.outstanding_count;
  json["explained_percent"] = rounded(target.explained_percent());
  if (target.python)
    json["python"] = python_json(*target.python);
  json["verdict"] = {{"severity", nullptr},
                     {"reasons", Json::array({"this version gives no verdict"})}};
  if (const std::string pause = long_pause(target); !pause.empty())
    json["verdict"]["reasons"].push_back(pause);
  return json;
}

Json frame_json(const Frame& frame) {
  Json json;
  json["kind"] = frame_kind_name(frame.kind);
  json["function"] = known(frame.function);
  json["module"] = known(frame.module);
  json["build_id"] = known(frame.build_id);
  json["offset"] = frame.offset ? Json(fmt::format("{:#x}", *frame.offset)) : Json(nullptr);
  json["file"] = known(frame.file);
  json["line"] = frame.line ? Json(frame.line) : Json(nullptr);
  json["inlined"] = frame.inlined;
  if (!frame.source.empty())
    json["source"] = frame.source;
  return json;
}

Json site_json(const SiteReport& site) {
  Json json;
  json["rank"] = site.rank;
  json["pid"] = site.pid;
  json["target"] = site.target;
  json["kind"] = kind_name(site.key.kind);
  json["outstanding_bytes"] = site.totals.outstanding_bytes();
  json["outstanding_count"] = site.totals.outstanding_count();
  json["allocated_bytes"] = site.totals.allocated_bytes;
  json["allocated_count"] = site.totals.allocated_count;
  json["freed_bytes"] = site.totals.freed_bytes;
  json["freed_count"] = site.totals.freed_count;
  json["growth_bytes_per_min"] = rounded(site.growth_bytes_per_minute);
  json["oldest_age_s"] = rounded(site.oldest_age_seconds);
  json["median_age_s"] = rounded(site.median_age_seconds);
  json["survival_percent"] = rounded(site.survival_percent());
  json["severity"] = nullptr;
  json["score"] = nullptr;
  json["reasons"] = Json::array();
  // Which small objects a Python site holds is inferred from pointers, with no known error.
  const bool estimated = site.key.kind == LEAKBPF_KIND_PYTHON;
  json["estimated"] = estimated;
  json["standard_error_bytes"] = estimated ? Json(nullptr) : Json(0);
  json["culprit"] = site.culprit;
  json["frames"] = Json::array();
  for (const Frame& frame : site.frames)
    json["frames"].push_back(frame_json(frame));
  return json;
}

} // namespace

std::string render_json(const Report& report) {
  Json json;
  json["schema"] = "leakbpf.snapshot/1";
  json["tool"] = {{"version", report.version}, {"backend", report.backend}};
  json["host"] = {{"hostname", report.host.hostname},
                  {"kernel", report.host.kernel},
                  {"arch", report.host.arch},
                  {"cpus", report.host.cpus}};
  json["started_at"] = report.started_at;
  json["duration_s"] = report.duration_seconds;
  json["sampling"] = {{"mean_bytes", 1},
                      {"exact", true},
                      {"requested_mean_bytes", report.requested_mean_bytes},
                      {"note", "every allocation is followed; sampling does not take effect yet"}};
  json["overhead"] = {{"probe_hits", report.overhead.probe_hits},
                      {"percent_of_one_core", rounded(report.overhead.percent_of_one_core)},
                      {"duty_cycle", 1.0}};
  for (int loss = 0; loss < LEAKBPF_LOSS_COUNT; loss++) {
    const auto which = static_cast<leakbpf_loss>(loss);
    json["losses"][std::string(loss_text(which).key)] = report.losses.at(which);
  }
  json["targets"] = Json::array();
  for (const TargetReport& target : report.targets)
    json["targets"].push_back(target_json(target));
  json["sites"] = Json::array();
  for (const SiteReport& site : report.sites)
    json["sites"].push_back(site_json(site));
  json["history"] = Json::array();
  for (const HistoryPoint& point : report.history)
    json["history"].push_back({{"t_s", point.t_seconds},
                               {"pid", point.pid},
                               {"rss_bytes", known(point.rss_bytes)},
                               {"outstanding_bytes", point.outstanding_bytes}});
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace leakbpf
