// SPDX-License-Identifier: Apache-2.0
// A small report for the tests of the renderers.
#pragma once

#include "core/report.h"

namespace leakbpf {

inline Frame native_frame(const std::string& function, const std::string& file, std::uint32_t line,
                          const std::string& module = "/srv/app/shop") {
  return {FrameKind::native, function, module, "abcdef01", 0x1234, file, line, false};
}

inline Frame python_frame(const std::string& function, const std::string& file,
                          std::uint32_t line) {
  Frame frame;
  frame.kind = FrameKind::python;
  frame.function = function;
  frame.file = file;
  frame.line = line;
  return frame;
}

inline TargetReport sample_target() {
  TargetReport target;
  target.pid = 4242;
  target.ppid = 1;
  target.comm = "shop";
  target.command_line = "/srv/app/shop --serve";
  target.executable = "/srv/app/shop";
  target.cgroup = "/system.slice/shop.service";
  target.started_at = "2026-01-31T08:00:00Z";
  target.rss_start_bytes = 100 << 20;
  target.rss_end_bytes = 120 << 20;
  target.rss_growth_bytes_per_minute = 20 << 20;
  target.limit = {512 << 20, "cgroup /system.slice/shop.service"};
  target.seconds_to_limit = 1176;
  target.explained_percent = 75;
  target.verdict = {Severity::critical, {"the limit of 512 MB is reached in 20 min"}};
  target.outstanding_bytes = 15 << 20;
  target.outstanding_count = 15360;
  return target;
}

/// A stack with lines, whose culprit is an inlined function.
inline SiteReport sample_site() {
  SiteReport site;
  site.rank = 1;
  site.pid = 4242;
  site.key = {0, LEAKBPF_KIND_HEAP, 77};
  site.totals = {20 << 20, 20480, 5 << 20, 5120};
  site.growth_bytes_per_minute = 15 << 20;
  site.oldest_age_seconds = 61;
  site.median_age_seconds = 30;
  Frame add = native_frame("Cart::add(Item const&)", "/src/shop/cart.cpp", 42);
  add.inlined = true;
  site.frames = {native_frame("operator new(unsigned long)", "", 0, "/usr/lib/libstdc++.so.6"), add,
                 native_frame("main", "/src/shop/main.cpp", 7)};
  site.culprit = 1;
  site.verdict = {Severity::high, {"grows by 15.0 MB/min", "75% of what it took is still there"}};
  site.score = 0.9;
  site.old_survival_percent = 74.5;
  site.survival_age_seconds = 30;
  site.series = {0, 7 << 20, 15 << 20};
  site.standard_error_bytes = 0;
  return site;
}

/// A dict that grows, with the line that fills it.
inline HeldReport sample_container() {
  HeldReport row;
  row.rank = 1;
  row.pid = 4242;
  row.path = "shop.seen";
  row.type = "dict";
  row.entries = 8300;
  row.entries_per_minute = 32400;
  row.contents = "dict{session: str}";
  row.bytes = 46 << 20;
  row.growth_bytes_per_minute = 18.5 * 1024 * 1024;
  row.verdict.severity = Severity::high;
  row.lines = {{"/srv/shop.py", 12, "remember", "seen[n] = 1  # keep", LineEvidence::hot, false}};
  row.fix = "bound it";
  return row;
}

/// One process with two sites: a stack with lines, and one of which nothing is known.
inline Report sample_report() {
  Report report;
  report.version = "0.1.0";
  report.host = {"host", "6.1.0", "x86_64", 4};
  report.started_at = "2026-01-31T09:30:00Z";
  report.duration_seconds = 62;
  report.sampling = {1, true};
  report.backend = "multi";
  report.overhead = {1234567, 0.84, 1, 0.84};
  report.targets = {sample_target()};
  SiteReport unknown;
  unknown.rank = 2;
  unknown.pid = 4242;
  unknown.key = {0, LEAKBPF_KIND_MMAP, 0};
  unknown.totals = {4096, 1, 0, 0};
  unknown.frames = {
      Frame{FrameKind::note, "stack not recorded", "", "", std::nullopt, "", 0, false}};
  unknown.standard_error_bytes = 0;
  report.sites = {sample_site(), unknown};
  report.site_count = 2;
  report.history = {{0, 4242, 100 << 20, 0, 80 << 20, 18 << 20, 2 << 20, 0, 110 << 20},
                    {62, 4242, std::nullopt, 15 << 20, {}, {}, {}, {}, {}}};
  report.series_times = {0, 31, 62};
  return report;
}

} // namespace leakbpf
