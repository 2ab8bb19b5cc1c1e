// SPDX-License-Identifier: Apache-2.0
// Resident memory by sampled page faults, against what programs say that they keep.
#include "child.h"
#include "privileges.h"

#include <leakbpf/abi.h>

#include <cmath>
#include <csignal>
#include <filesystem>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>
#include <nlohmann/json.hpp>

using namespace leakbpf::e2e;
using Json = nlohmann::json;

namespace {

struct PagesTraced {
  pid_t pid = 0;
  double kept = 0; ///< bytes, as the program says
  std::string said;
  Json snapshot;
};

/// A program that says "ready", waits for a line, says "kept BYTES" and "done" and waits, under
/// leakbpf meanwhile.
PagesTraced trace_pages(const std::vector<std::string>& command, const std::string& kinds) {
  const TemporaryFile output;
  Child program(command);
  program.wait_for_prefix("ready");
  Child tracer({built("leakbpf"), "snapshot", "-v", "--kinds", kinds, "-o", output.path(), "-p",
                std::to_string(program.pid())});
  PagesTraced traced;
  traced.pid = program.pid();
  traced.said = tracer.wait_for_prefix("leakbpf: tracing");
  program.write_line("go");
  traced.kept = std::stod(program.wait_for_prefix("kept ").substr(5));
  program.wait_for_prefix("done");
  tracer.signal(SIGINT);
  REQUIRE(tracer.wait_end() == 0);
  traced.snapshot = Json::parse(output.text());
  return traced;
}

/// Rows of kind pages of one process, in which a frame has this function; empty: all.
std::vector<Json> page_rows(const PagesTraced& traced, const std::string& function) {
  std::vector<Json> rows;
  for (const Json& site : traced.snapshot.at("sites")) {
    if (site.at("kind") != "pages" || site.at("pid") != traced.pid)
      continue;
    const std::string frames = site.at("frames").dump();
    if (function.empty() || frames.find("\"" + function + "\"") != std::string::npos)
      rows.push_back(site);
  }
  return rows;
}

struct Estimate {
  double bytes = 0;
  double variance = 0;
};

/// Whose pages may be in the row of who had the address before, at most: bytes.
double bytes_of_missed_faults(const PagesTraced& traced) {
  constexpr double page_bytes = 4096;
  constexpr double pages_per_sample = LEAKBPF_PAGES_PER_SAMPLE;
  const double missed = traced.snapshot.at("losses").at("missed_faults");
  return page_bytes * (missed + 5 * std::sqrt(missed * pages_per_sample));
}

Estimate sum_of(const std::vector<Json>& rows) {
  Estimate sum;
  for (const Json& row : rows) {
    CHECK(row.at("estimated") == true);
    sum.bytes += row.at("outstanding_bytes").get<double>();
    sum.variance += std::pow(row.at("standard_error_bytes").get<double>(), 2);
  }
  return sum;
}

bool has_transparent_huge_pages() {
  const Finished told = run_program({"cat", "/sys/kernel/mm/transparent_hugepage/enabled"});
  return told.output.find("[always]") != std::string::npos;
}

} // namespace

TEST_CASE("resident memory by page faults is what the program keeps", "[pages][beside]") {
  require_tracing();
  const std::string kinds = GENERATE("mmap,brk,pages", "pages");
  CAPTURE(kinds);
  const PagesTraced traced = trace_pages({built("tests/programs/touches_pages"), "200"}, kinds);
  CAPTURE(traced.snapshot.at("losses"));
  const std::vector<Json> kept = page_rows(traced, "keep_pages");
  REQUIRE_FALSE(kept.empty());
  const Estimate estimate = sum_of(kept);
  CHECK(estimate.variance > 0);
  const double missed = bytes_of_missed_faults(traced);
  CHECK(missed < traced.kept / 10);
  CHECK(std::abs(estimate.bytes - traced.kept) <= 5 * std::sqrt(estimate.variance) + missed);
  for (const std::string given_back : {"map_and_unmap", "take_and_free"})
    for (const Json& row : page_rows(traced, given_back)) {
      CAPTURE(row);
      CHECK(row.at("outstanding_bytes") <= missed);
      CHECK(row.at("allocated_bytes") > 0);
    }
  CHECK(page_rows(traced, "map_and_unmap").size() > 0);
  // Pages that a fork made read-only are no new ones.
  CHECK(sum_of(page_rows(traced, "write_after_fork")).bytes < traced.kept / 100);
  const Json first = page_rows(traced, "").front();
  CAPTURE(first, kept.front());
  CHECK(first.at("frames").dump().find("keep_pages") != std::string::npos);
}

TEST_CASE("sums are of pages alone", "[pages][beside]") {
  require_tracing();
  const PagesTraced traced =
      trace_pages({built("tests/programs/touches_pages"), "100"}, "mmap,brk,pages");
  for (const Json& target : traced.snapshot.at("targets"))
    if (target.at("pid") == traced.pid)
      CHECK(target.at("outstanding_bytes") == sum_of(page_rows(traced, "")).bytes);
  bool maps = false;
  for (const Json& site : traced.snapshot.at("sites"))
    maps = maps || (site.at("kind") == "mmap" && site.at("outstanding_bytes") >= 100 << 20);
  CHECK(maps);
}

TEST_CASE("pages alone need no probe on the heap", "[pages][beside]") {
  require_tracing();
  const PagesTraced traced = trace_pages({built("tests/programs/touches_pages"), "20"}, "pages");
  // Hits are the faults that were looked at.
  const double faults = 20 * 3 * 256 + 40 * 256;
  CHECK(traced.snapshot.at("overhead").at("probe_hits") < 2 * faults / LEAKBPF_PAGES_PER_SAMPLE);
}

TEST_CASE("pages that Python code touches have its lines", "[pages][beside]") {
  require_tracing();
  if (!std::filesystem::exists("/usr/bin/python3"))
    SKIP("no Python");
  const PagesTraced traced = trace_pages(
      {"/usr/bin/python3", LEAKBPF_SOURCE_DIR "/tests/python/touches_pages.py"}, "pages");
  const std::vector<Json> rows = page_rows(traced, "keep_pages");
  REQUIRE_FALSE(rows.empty());
  const Json& culprit = rows.front().at("frames").at(rows.front().at("culprit").get<std::size_t>());
  CHECK(culprit.at("kind") == "python");
  CHECK(culprit.at("function") == "keep_pages");
  if (!has_transparent_huge_pages())
    CHECK(sum_of(rows).bytes > traced.kept * 0.8);
}
