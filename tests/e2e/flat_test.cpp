// SPDX-License-Identifier: Apache-2.0
// What leakbpf does for a sample depends on what lives and changes, not on what there ever was.
#include "child.h"
#include "privileges.h"
#include "session/tracer.h"

#include <algorithm>

#include <catch2/catch_test_macros.hpp>
#include <unistd.h>

using namespace leakbpf;
using namespace leakbpf::e2e;

namespace {

constexpr std::size_t flat_blocks = 7; // tests/programs/storms.c
constexpr std::size_t flat_block_bytes = 1001;
constexpr std::uint64_t plugin_bytes = 321; // tests/programs/plugin.c

/// A program that waits for a line, and a tracer of it in this process.
struct TracedProgram {
  explicit TracedProgram(std::vector<std::string> command) : program(std::move(command)) {
    program.wait_for_prefix("ready");
    TraceOptions options;
    options.pids = {program.pid()};
    options.limits = {0, 0, 1};
    options.inform = [this](const std::string&) { informed++; };
    auto started = Tracer::start(proc, std::move(options));
    REQUIRE(started);
    tracer = std::move(*started);
    informed = 0;
    program.write_line("go");
  }
  /// All events are taken, and all blocks looked at.
  void look() {
    tracer->run_until(tracer->elapsed() + 0.05, -1);
    tracer->sample_whole();
  }

  ProcFs proc;
  Child program;
  std::size_t informed = 0; ///< of processes that were attached to
  std::unique_ptr<Tracer> tracer;
};

struct TracedStorm : TracedProgram {
  TracedStorm(const std::string& kind, std::size_t children)
      : TracedProgram({built("tests/programs/storms"), kind, std::to_string(children)}) {}
  std::size_t ended() {
    const Report report = tracer->report(0, site_order(SortOrder::growth));
    return static_cast<std::size_t>(
        std::count_if(report.targets.begin(), report.targets.end(),
                      [](const TargetReport& target) { return target.ended.has_value(); }));
  }
  /// Rows wait for their stacks for some seconds at most.
  void look_until_settled(std::size_t children) {
    for (int tries = 0; tries < 200 && (ended() < children || tracer->extent().targets > 1);
         tries++)
      look();
    REQUIRE(ended() == children);
    REQUIRE(tracer->extent().targets == 1);
  }
};

/// CPU time of a process, in milliseconds.
double cpu_ms(pid_t pid) {
  const auto stat = ProcFs().stat(pid);
  REQUIRE(stat);
  return 1e3 * static_cast<double>(stat->user_ticks + stat->system_ticks) /
         static_cast<double>(sysconf(_SC_CLK_TCK));
}

} // namespace

TEST_CASE("a sample walks over as much after 2,000 children as after 200", "[flat]") {
  require_tracing();
  const auto sites_after = [](std::size_t children) {
    TracedStorm storm("forks", children);
    storm.program.wait_for_prefix("done", 120);
    storm.look_until_settled(children);
    return storm.tracer->extent().sites;
  };
  const std::size_t few = sites_after(200);
  CHECK(sites_after(2000) <= few + 2);
}

TEST_CASE("libraries that are loaded anew leave nothing to walk over", "[flat]") {
  require_tracing();
  constexpr std::size_t rounds = 16;
  constexpr std::size_t loads = 200;
  TracedProgram traced({built("tests/programs/plugin_host"), built("tests/programs/plugin.so"),
                        std::to_string(loads)});
  std::vector<std::size_t> sites;
  for (std::size_t round = 0; round < rounds; round++) {
    if (round > 0)
      traced.program.write_line("again");
    traced.program.wait_for_prefix("done");
    traced.look();
    sites.push_back(traced.tracer->extent().kernel_sites);
    traced.look(); // by now nothing happens at them
  }
  CAPTURE(sites);
  CHECK(sites.front() >= loads);
  CHECK(*std::max_element(sites.begin(), sites.end()) <= 5 * sites.front());
  // Each counts all the same, though nobody can name what was closed before it was looked at.
  SiteTotals used;
  const Report report = traced.tracer->report(0, site_order(SortOrder::growth));
  for (const SiteReport& site : report.sites)
    if (site.totals.allocated_bytes == plugin_bytes * site.totals.allocated_count)
      used += site.totals;
  CHECK(used.allocated_count == rounds * loads);
  CHECK(used.outstanding_count() == 0);
  CHECK(report.losses[LEAKBPF_LOSS_STACK_COLLISIONS] == 0);
}

TEST_CASE("what is no longer walked over is in the report to the byte", "[flat]") {
  require_tracing();
  constexpr std::size_t children = 10; // each with probes of its own, which is told
  TracedStorm storm("workers", children);
  storm.program.wait_for_prefix("forked");
  for (int tries = 0; tries < 600 && storm.informed < children; tries++)
    storm.tracer->run_until(storm.tracer->elapsed() + 0.1, -1);
  REQUIRE(storm.informed == children);
  storm.program.write_line("take");
  storm.program.wait_for_prefix("kept");
  storm.program.write_line("end");
  storm.program.wait_for_prefix("done");
  storm.look_until_settled(children);
  const Report whole = storm.tracer->report(0, site_order(SortOrder::growth));
  SiteTotals kept;
  for (const SiteReport& site : whole.sites) {
    const auto keeps = [](const FrameRef& frame) { return frame->function == "keep_blocks"; };
    if (std::none_of(site.frames.begin(), site.frames.end(), keeps))
      continue;
    CHECK(whole.targets.at(site.target).pid == site.pid);
    CHECK(whole.targets.at(site.target).ended);
    CHECK(site.oldest_age_seconds);
    kept += site.totals;
  }
  CHECK(kept.outstanding_bytes() == children * flat_blocks * flat_block_bytes);
  CHECK(kept.outstanding_count() == children * flat_blocks);
  // A table has its rows, names the targets of those, and counts the others.
  constexpr std::size_t rows = 4;
  const Report table = storm.tracer->report(rows, site_order(SortOrder::bytes));
  REQUIRE(table.sites.size() == rows);
  CHECK(table.site_count >= children);
  for (const SiteReport& site : table.sites) {
    CHECK(site.totals.outstanding_bytes() >= flat_blocks * flat_block_bytes);
    CHECK(table.targets.at(site.target).pid == site.pid);
  }
  CHECK(table.targets.size() + table.targets_left_out == children + 1);
}

TEST_CASE("tables cost no more CPU time after thousands of children", "[flat]") {
  require_tracing();
  Child program({built("tests/programs/storms"), "forks", "3000"});
  program.wait_for_prefix("ready");
  const std::string pid = std::to_string(program.pid());
  Child tracer({built("leakbpf"), "top", "--plain", "-i", "0.05", "--exact", "-p", pid});
  tracer.wait_for_prefix("leakbpf: tracing");
  // So many tables are made while both stand still.
  const auto cost_of_tables = [&] {
    constexpr int tables = 20;
    const auto next = [&] {
      tracer.wait_for(
          [&](const std::string& line) { return line.find("severity") != std::string::npos; });
    };
    next();
    const double before = cpu_ms(tracer.pid());
    for (int i = 0; i < tables; i++)
      next();
    return cpu_ms(tracer.pid()) - before;
  };
  for (int i = 0; i < 3; i++)
    (void)cost_of_tables(); // names are looked up once
  const double before = cost_of_tables();
  program.write_line("go");
  program.wait_for([](const std::string& line) { return line.starts_with("done"); }, 120);
  double after = 1e9;
  for (int tries = 0; tries < 10 && after > 2 * before + 30;
       tries++) // what is new is settled first
    after = std::min(after, cost_of_tables());
  CAPTURE(before, after);
  CHECK(after <= 2 * before + 30);
}
