// SPDX-License-Identifier: Apache-2.0
// A report in which every member says something, and what makes two reports equal: for the tests of
// snapshot files.
#pragma once

#include "sample_report.h"

#include <catch2/catch_test_macros.hpp>

namespace leakbpf {

inline TargetReport python_target() {
  TargetReport target;
  target.pid = 17;
  target.ppid = 4242;
  target.comm = "uvicorn \"1\"\n";
  target.command_line = "python3 -m uvicorn größe:app";
  target.rss_growth_bytes_per_minute = -1234.56789;
  target.ended = TargetEnd{"killed by signal 9 (Killed)", 12.125};
  target.verdict.reasons = {"too little was seen"};
  PythonReport& python = target.python.emplace();
  python.version = "3.11";
  python.problem = "its heap could not be read";
  python.small_objects = {3, 3 << 20, 190, 190 * 16384, 1000};
  python.collections = {5, 1.5, 0.25};
  return target;
}

/// Of the second target, estimated, with the frames `outer` and one more inside them.
inline SiteReport python_site(const Frames& outer) {
  SiteReport site;
  site.rank = 3;
  site.target = 1;
  site.pid = 17;
  site.processes = 2;
  site.key = {1, LEAKBPF_KIND_PYTHON, 0xfedcba9876543210};
  site.totals = {1ULL << 53, (1ULL << 53) + 1, 7, (1ULL << 53) + 2};
  site.growth_bytes_per_minute = -0.1;
  site.frames = {
      Frame{FrameKind::python, "remember", "", "", std::nullopt, "/srv/cart.py", 42, false}};
  site.frames.insert(site.frames.end(), outer.begin(), outer.end());
  site.source = "items.append(\"<x>\")\t# größe";
  site.verdict = {Severity::none, {}};
  site.score = 0.1;
  site.estimated = true;
  site.standard_error_bytes = 4096.5;
  return site;
}

inline HeldReport held_row() {
  HeldReport row;
  row.rank = 1;
  row.target = 1;
  row.pid = 17;
  row.path = "shop.sessions[*].größe";
  row.type = "collections.deque";
  row.containers = 40;
  row.entries = (1ULL << 53) + 1;
  row.entries_per_minute = 32400.5;
  row.contents = "dict{session: str, items: list}";
  row.bytes = 1ULL << 40;
  row.growth_bytes_per_minute = 1e6 + 0.25;
  row.verdict = {Severity::low, {"grew in 9 of 11 intervals"}};
  row.score = 0.75;
  row.lines = {{"/srv/cart.py", 12, "remember", "seen[n] = \"<x>\"", LineEvidence::stack, true},
               {"/srv/lib.py", 7, "", "", LineEvidence::candidate, false}};
  row.note = "they may hold native memory";
  row.pattern = HeldPattern::listeners;
  row.fix = "unsubscribe in close()";
  row.also = {"asyncio._all_tasks"};
  row.series_times = {0, 1.5};
  row.series = {1, 1ULL << 60};
  return row;
}

inline Report full_report() {
  Report report = sample_report();
  report.held = {held_row()};
  HeldReport& bare = report.held.emplace_back();
  bare.rank = 2;
  bare.pid = 4242;
  bare.path = "? dict";
  bare.no_line = "no path to it was found";
  report.duration_seconds = 61.9375;
  report.sampling = {16384, false};
  report.overhead.duty_cycle = 0.25;
  report.targets[0].container = Container{std::string(64, 'a'), "containerd",
                                          "5f0f3b9e-9d7c-4f6a-8c3e-2b1d4e6f8a90", "shop-5d9f"};
  report.targets[0].namespaced_pid = 7;
  report.targets[0].overhead = Overhead{77, 1.5, 0.5, std::nullopt};
  for (std::size_t i = 0; i < report.losses.size(); i++)
    report.losses.at(i) = 100 + i;
  report.targets.push_back(python_target());
  report.sites[0].source = "items_.push_back(item);";
  const Frame kernel{FrameKind::kernel, "", "", "", 0xffffffff81000000, "", 0, false};
  report.sites.push_back(python_site({report.sites[0].frames[2], kernel}));
  report.site_count = 1502;
  report.suppressed = {{{"libssl", 2, 300}, {"g_*<\"", 1, 200}}, 3, 500, 7, 5};
  return report;
}

inline void check_same_target(const TargetReport& a, const TargetReport& b) {
  CHECK(a.pid == b.pid);
  CHECK(a.ppid == b.ppid);
  CHECK(a.comm == b.comm);
  CHECK(a.command_line == b.command_line);
  CHECK(a.executable == b.executable);
  CHECK(a.cgroup == b.cgroup);
  CHECK(a.container == b.container);
  CHECK(a.namespaced_pid == b.namespaced_pid);
  CHECK(a.started_at == b.started_at);
  REQUIRE(a.ended.has_value() == b.ended.has_value());
  if (a.ended) {
    CHECK(a.ended->how == b.ended->how);
    CHECK(a.ended->at_seconds == b.ended->at_seconds);
  }
  CHECK(a.rss_start_bytes == b.rss_start_bytes);
  CHECK(a.rss_end_bytes == b.rss_end_bytes);
  CHECK(a.rss_growth_bytes_per_minute == b.rss_growth_bytes_per_minute);
  CHECK(a.limit == b.limit);
  CHECK(a.seconds_to_limit == b.seconds_to_limit);
  CHECK(a.explained_percent == b.explained_percent);
  CHECK(a.verdict == b.verdict);
  CHECK(a.outstanding_bytes == b.outstanding_bytes);
  CHECK(a.outstanding_count == b.outstanding_count);
  CHECK(a.overhead == b.overhead);
}

inline void check_same_python(const PythonReport& a, const PythonReport& b) {
  CHECK(a.version == b.version);
  CHECK(a.problem == b.problem);
  REQUIRE(a.small_objects.has_value() == b.small_objects.has_value());
  if (a.small_objects) {
    CHECK(a.small_objects->arenas == b.small_objects->arenas);
    CHECK(a.small_objects->arena_bytes == b.small_objects->arena_bytes);
    CHECK(a.small_objects->pools == b.small_objects->pools);
    CHECK(a.small_objects->pool_bytes == b.small_objects->pool_bytes);
    CHECK(a.small_objects->live_bytes == b.small_objects->live_bytes);
  }
  REQUIRE(a.collections.has_value() == b.collections.has_value());
  if (a.collections) {
    CHECK(a.collections->count == b.collections->count);
    CHECK(a.collections->total_seconds == b.collections->total_seconds);
    CHECK(a.collections->longest_seconds == b.collections->longest_seconds);
  }
}

inline void check_same_site(const SiteReport& a, const SiteReport& b) {
  CHECK(a.rank == b.rank);
  CHECK(a.target == b.target);
  CHECK(a.pid == b.pid);
  CHECK(a.processes == b.processes);
  CHECK(a.key == b.key);
  CHECK(a.totals == b.totals);
  CHECK(a.growth_bytes_per_minute == b.growth_bytes_per_minute);
  CHECK(a.oldest_age_seconds == b.oldest_age_seconds);
  CHECK(a.median_age_seconds == b.median_age_seconds);
  REQUIRE(a.frames.size() == b.frames.size());
  for (std::size_t i = 0; i < a.frames.size(); i++)
    CHECK(*a.frames[i] == *b.frames[i]);
  CHECK(a.culprit == b.culprit);
  CHECK(a.source == b.source);
  CHECK(a.verdict == b.verdict);
  CHECK(a.score == b.score);
  CHECK(a.old_survival_percent == b.old_survival_percent);
  CHECK(a.survival_age_seconds == b.survival_age_seconds);
  CHECK(a.series == b.series);
  CHECK(a.estimated == b.estimated);
  CHECK(a.standard_error_bytes == b.standard_error_bytes);
}

inline void check_same_run(const Report& a, const Report& b) {
  CHECK(a.version == b.version);
  CHECK(a.host.hostname == b.host.hostname);
  CHECK(a.host.kernel == b.host.kernel);
  CHECK(a.host.arch == b.host.arch);
  CHECK(a.host.cpus == b.host.cpus);
  CHECK(a.started_at == b.started_at);
  CHECK(a.duration_seconds == b.duration_seconds);
  CHECK(a.sampling.mean_bytes == b.sampling.mean_bytes);
  CHECK(a.sampling.exact == b.sampling.exact);
  CHECK(a.backend == b.backend);
  CHECK(a.overhead == b.overhead);
  CHECK(a.losses == b.losses);
  CHECK(a.site_count == b.site_count);
  CHECK(a.history == b.history);
  CHECK(a.series_times == b.series_times);
  CHECK(a.suppressed == b.suppressed);
}

inline void check_same(const Report& a, const Report& b) {
  check_same_run(a, b);
  REQUIRE(a.targets.size() == b.targets.size());
  for (std::size_t i = 0; i < a.targets.size(); i++) {
    CAPTURE(i);
    check_same_target(a.targets[i], b.targets[i]);
    REQUIRE(a.targets[i].python.has_value() == b.targets[i].python.has_value());
    if (a.targets[i].python)
      check_same_python(*a.targets[i].python, *b.targets[i].python);
  }
  REQUIRE(a.sites.size() == b.sites.size());
  for (std::size_t i = 0; i < a.sites.size(); i++) {
    CAPTURE(i);
    check_same_site(a.sites[i], b.sites[i]);
  }
  REQUIRE(a.held.size() == b.held.size());
  for (std::size_t i = 0; i < a.held.size(); i++) {
    CAPTURE(i);
    CHECK(a.held[i] == b.held[i]);
  }
}

} // namespace leakbpf
