// SPDX-License-Identifier: Apache-2.0
// Any bytes as a snapshot file: JSON, the compact form, or either gzipped. What is read can be
// written in both forms, and reads as the same report again.
#include "render/compact.h"
#include "render/json.h"
#include "store/snapshot_reader.h"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace leakbpf; // NOLINT: a program of one page

namespace {

void require(bool holds) {
  if (!holds)
    std::abort();
}

/// Whoever takes a report may use its indices without looking.
void check_indices(const Report& report) {
  for (const SiteReport& site : report.sites) {
    require(site.target < report.targets.size());
    require(site.frames.empty() ? site.culprit == 0 : site.culprit < site.frames.size());
    require(site.series.empty() || site.series.size() == report.series_times.size());
  }
  require(report.site_count >= report.sites.size());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto report = read_snapshot(input, "input");
  if (!report) {
    require(report.error().code == ExitCode::io && !report.error().message.empty());
    return 0;
  }
  check_indices(*report);
  const std::string written = render_json(*report);
  for (const std::string& text : {written, render_compact(*report)}) {
    const auto again = read_snapshot(text, "what was written");
    require(static_cast<bool>(again) && render_json(*again) == written);
  }
  return 0;
}
