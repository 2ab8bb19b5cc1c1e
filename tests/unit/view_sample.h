// SPDX-License-Identifier: Apache-2.0
// Reports for the tests of the full-screen view.
#pragma once

#include "sample_report.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace leakbpf {

inline SiteReport view_site(std::uint64_t hash, const std::string& function, double megabytes,
                            std::optional<Severity> severity) {
  SiteReport site;
  site.pid = 4242;
  site.key = {0, LEAKBPF_KIND_HEAP, hash};
  const auto bytes = static_cast<std::uint64_t>(megabytes * 1024 * 1024);
  site.totals = {bytes + 1000, 1 + bytes / 1024, 1000, 1};
  site.growth_bytes_per_minute = static_cast<double>(bytes);
  site.oldest_age_seconds = 58;
  site.median_age_seconds = 29;
  site.frames = {native_frame("operator new(unsigned long)", "", 0, "/usr/lib/libstdc++.so.6"),
                 native_frame(function, "/src/shop/shop.cpp", static_cast<std::uint32_t>(hash)),
                 native_frame("main", "/src/shop/main.cpp", 7)};
  site.culprit = 1;
  site.verdict = {severity, {fmt::format("outstanding bytes grow by {:.1f} MB/min", megabytes)}};
  site.series = {0, bytes / 4, bytes / 2, 3 * bytes / 4, bytes};
  site.standard_error_bytes = 0;
  return site;
}

/// As in a report that watched for a minute.
inline HeldReport view_container() {
  HeldReport row = sample_container();
  row.bytes = 12 << 20;
  row.growth_bytes_per_minute = 12 << 20;
  row.verdict.reasons = {"grew in 11 of 11 intervals"};
  row.lines = {{"/srv/shop.py", 42, "remember", "seen[key] = session", LineEvidence::stack, false}};
  row.pattern = HeldPattern::unbounded_cache;
  row.fix = "bound it: functools.lru_cache(maxsize=…)";
  row.series_times = {0, 20, 40, 60};
  row.series = {0, 2700, 5500, 8300};
  return row;
}

/// One process that leaks from two functions and a container, `seconds` after the start.
inline std::shared_ptr<const Report> view_report(double seconds = 62, double factor = 1) {
  Report report = sample_report();
  report.duration_seconds = seconds;
  report.sites = {view_site(40, "remember_order(Order const&)", 15 * factor, Severity::high),
                  view_site(12, "Cache::put(std::string)", 2 * factor, Severity::medium),
                  view_site(99, "read_config()", 0.25, Severity::none)};
  report.site_count = 3;
  report.history.clear(); // tables have none
  report.held = {view_container()};
  report.targets[0].rss_end_bytes = static_cast<std::uint64_t>((100 + seconds / 3) * 1024 * 1024);
  return std::make_shared<const Report>(std::move(report));
}

} // namespace leakbpf
