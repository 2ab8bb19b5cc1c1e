// SPDX-License-Identifier: Apache-2.0
// Reports and diffs of a few stacks for the tests of the flame graph and of the page.
#pragma once

#include "core/diff.h"
#include "core/report.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace leakbpf {

inline FrameRef application_frame(const std::string& function, std::uint32_t line = 0) {
  return Frame{FrameKind::native,
               function,
               "/srv/app/shop",
               "",
               std::nullopt,
               "/src/shop/" + function + ".cpp",
               line,
               false};
}

inline const FrameRef main_frame = application_frame("main", 7);
inline const FrameRef serve_frame = application_frame("serve", 20);

/// A target with a verdict.
inline TargetReport flame_target(std::int32_t pid, const std::string& comm) {
  TargetReport target;
  target.pid = pid;
  target.comm = comm;
  target.verdict = {Severity::high, {"RSS grows 12.0 MB/min"}};
  return target;
}

/// A site with outstanding bytes in blocks of 16; `frames` are outermost first, as one reads them.
inline SiteReport flame_site(std::uint64_t bytes, const std::vector<FrameRef>& frames,
                             std::size_t target = 0) {
  SiteReport site;
  site.target = target;
  site.pid = static_cast<std::int32_t>(100 + target);
  site.totals = {bytes, bytes / 16, 0, 0};
  site.frames.assign(frames.rbegin(), frames.rend());
  return site;
}

inline Report flame_report(std::vector<SiteReport> sites, std::size_t targets = 1) {
  Report report;
  report.version = "0.1.0";
  report.duration_seconds = 62;
  for (std::size_t i = 0; i < targets; i++)
    report.targets.push_back(flame_target(static_cast<std::int32_t>(100 + i), "shop"));
  for (SiteReport& site : sites) {
    report.targets.at(site.target).outstanding_bytes += site.totals.outstanding_bytes();
    site.rank = report.sites.size() + 1;
    report.sites.push_back(std::move(site));
  }
  report.site_count = report.sites.size();
  return report;
}

inline DiffRow diff_row(std::uint64_t before, std::uint64_t after,
                        const std::vector<FrameRef>& frames) {
  DiffRow row;
  if (before > 0)
    row.before = DiffFigures{{before, before / 16, 0, 0}, std::nullopt, std::nullopt};
  if (after > 0)
    row.after = DiffFigures{{after, after / 16, 0, 0}, std::nullopt, Severity::low};
  row.change = before == 0      ? Change::added
               : after == 0     ? Change::gone
               : after > before ? Change::grew
               : after < before ? Change::shrank
                                : Change::same;
  row.frames.assign(frames.rbegin(), frames.rend());
  return row;
}

inline Diff flame_diff(std::vector<DiffRow> rows) {
  Diff diff;
  diff.version = "0.1.0";
  diff.before.file = "monday.json";
  diff.after.file = "tuesday.json";
  diff.before.targets = diff.after.targets = {flame_target(100, "shop")};
  for (DiffRow& row : rows) {
    diff.before.outstanding_bytes += row.before ? row.before->totals.outstanding_bytes() : 0;
    diff.after.outstanding_bytes += row.after ? row.after->totals.outstanding_bytes() : 0;
    row.rank = diff.rows.size() + 1;
    diff.rows.push_back(std::move(row));
  }
  return diff;
}

/// What a program can call itself to break out of HTML, XML, JSON or a script, or to mislead.
inline const std::vector<std::string>& hostile_texts() {
  static const std::vector<std::string> texts{
      "</script><script>alert(1)</script>",
      "<img src=x onerror=alert(1)>",
      "\"><svg onload='alert(1)'>",
      "]]><script>alert(1)</script><![CDATA[",
      "<!--",
      "a&lt;b && c",
      "\xff\xfe no UTF-8 \xc3( \xed\xa0\x80 \xf8\x88\x80\x80\x80",
      std::string("nul\0 bell\a escape\x1b[2J line\n", 28),
      "left\u202eright \ufffe",
  };
  return texts;
}

inline std::size_t count_of(std::string_view text, std::string_view part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + 1))
    count++;
  return count;
}

} // namespace leakbpf
