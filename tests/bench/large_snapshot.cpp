// SPDX-License-Identifier: Apache-2.0
// What a large snapshot costs: `large_snapshot [SITES] [FRAMES]` makes one of so many sites with
// stacks of so many frames, which share their outer parts as those of a real program do, and prints
// how long writing and showing it take, in seconds, and how large it is, in megabytes.
#include "core/ranking.h"
#include "render/format.h"
#include "store/snapshot_reader.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <random>
#include <string>

using namespace leakbpf;

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Frame make_frame(std::size_t number) {
  Frame frame;
  frame.function = "application::service_" + std::to_string(number % 997) + "::handle_request_" +
                   std::to_string(number) + "(Request const&, Response&)";
  frame.module = "/usr/lib/application/libservice" + std::to_string(number % 40) + ".so.1";
  frame.build_id = std::string(38, 'a') + std::to_string(10 + number % 40);
  frame.offset = 0x1000 + number * 37;
  frame.file = "/build/application/src/service_" + std::to_string(number % 997) + ".cpp";
  frame.line = static_cast<std::uint32_t>(number % 3000 + 1);
  return frame;
}

/// Each stack leaves the one before at some depth, as the branches of a call tree do.
Report make_report(std::size_t sites, std::size_t depth) {
  std::mt19937 random(7);
  Frames all;
  for (std::size_t i = 0; i < 30000; i++)
    all.emplace_back(make_frame(i));
  Report report;
  report.version = "0.1.0";
  report.duration_seconds = 300;
  report.targets.emplace_back().pid = 1;
  for (int i = 0; i < 128; i++)
    report.series_times.push_back(i * 2.34);
  std::vector<std::size_t> outermost_first(depth);
  for (std::size_t i = 0; i < sites; i++) {
    for (std::size_t at = i == 0 ? 0 : depth / 4 + random() % (depth - depth / 4); at < depth; at++)
      outermost_first[at] = random() % all.size();
    SiteReport& site = report.sites.emplace_back();
    site.rank = i + 1;
    site.pid = 1;
    site.key = {0, LEAKBPF_KIND_HEAP, i + 1};
    site.totals = {1000000 + i * 77, 1000 + i, 500000, 500};
    site.growth_bytes_per_minute = 1234.5 + static_cast<double>(i);
    for (std::size_t at = depth; at-- > 0;)
      site.frames.push_back(all[outermost_first[at]]);
    if (i < 200)
      site.series.assign(128, 123456 + i);
  }
  report.site_count = sites;
  return report;
}

double megabytes(const std::string& text) {
  return static_cast<double>(text.size()) / 1e6;
}

} // namespace

int main(int argc, char** argv) {
  const std::size_t sites = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 20000;
  const std::size_t depth = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 60;
  const Report report = make_report(sites, depth);
  const std::string path = "/tmp/leakbpf-large-snapshot." + std::to_string(sites) + ".leakbpf";
  auto start = Clock::now();
  const std::string compact = render(report, Format::compact, {});
  std::ofstream(path, std::ios::binary) << compact;
  std::printf("write compact %.2f s %.1f MB\n", seconds_since(start), megabytes(compact));
  start = Clock::now();
  auto loaded = load_snapshot(path);
  std::remove(path.c_str());
  if (!loaded || loaded->sites.size() != sites) {
    std::fprintf(stderr, "large_snapshot: %s\n",
                 loaded ? "sites are missing" : loaded.error().message.c_str());
    return 1;
  }
  const double load = seconds_since(start);
  Arrangement arrangement;
  arrangement.rows = 20;
  Report shown = *loaded;
  start = Clock::now();
  arrange(shown, arrangement);
  const std::string table = render(shown, Format::table, {});
  std::printf("load %.2f s, load and table %.2f s\n", load, load + seconds_since(start));
  constexpr std::pair<const char*, Format> formats[]{
      {"json", Format::json}, {"folded", Format::folded}, {"pprof", Format::pprof},
      {"svg", Format::svg},   {"html", Format::html},     {"speedscope", Format::speedscope}};
  for (const auto& [name, format] : formats) {
    start = Clock::now();
    const std::string text = render(*loaded, format, {});
    std::printf("render %s %.2f s %.1f MB\n", name, seconds_since(start), megabytes(text));
  }
  return 0;
}
