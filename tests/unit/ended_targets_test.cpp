// SPDX-License-Identifier: Apache-2.0
// Targets that have ended: kept small, looked at once, and shown as if all of them were looked at
// for each table.
#include "core/ended_rows.h"
#include "core/suppress.h"

#include <algorithm>
#include <random>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_all.hpp>

namespace leakbpf {
namespace {

SiteReport site_of(std::uint32_t target, std::uint64_t stack, std::uint64_t bytes) {
  SiteReport site;
  site.pid = static_cast<std::int32_t>(1000 + target);
  site.key = {target, LEAKBPF_KIND_HEAP, stack};
  site.totals = {bytes + 64, 3, 64, bytes > 0 ? 2U : 3U};
  site.standard_error_bytes = 0;
  return site;
}

EndedTarget target_of(std::uint32_t id, const std::vector<SiteReport>& sites) {
  EndedTarget target;
  target.id = id;
  target.report.pid = static_cast<std::int32_t>(1000 + id);
  target.report.comm = "child";
  for (const SiteReport& site : sites) {
    target.report.outstanding_bytes += site.totals.outstanding_bytes();
    target.report.outstanding_count += site.totals.outstanding_count();
    target.sites.emplace_back(site);
  }
  return target;
}

/// Some that keep something, one in ten that grew.
EndedTarget random_target(std::uint32_t id, std::mt19937& random) {
  std::vector<SiteReport> sites;
  for (std::uint64_t stack = 1; stack <= 4; stack++) {
    sites.push_back(site_of(id, stack, random() % 3 == 0 ? random() % 100'000 : 0));
    if (random() % 10 != 0)
      continue;
    sites.back().growth_bytes_per_minute = static_cast<double>(random() % 5'000'000);
    sites.back().oldest_age_seconds = static_cast<double>(random() % 60);
    sites.back().verdict = {Severity::medium, {"it grew"}};
    sites.back().score = 0.5;
  }
  EndedTarget target = target_of(id, sites);
  if (random() % 5 == 0)
    target.report.verdict.severity = static_cast<Severity>(random() % 4);
  return target;
}

GroupFrame group_by_stack(const SiteReport& site) {
  Frame frame;
  frame.function = "f" + std::to_string(site.key.stack_hash % 2);
  return {frame.function, frame};
}

EndedRowsView view_of(std::size_t rows, SortOrder sort, GroupBy by) {
  return {rows, site_order(sort), by,
          [](const EndedTarget& target, const EndedSite& site,
             Suppressed&) -> std::optional<SiteReport> {
            SiteReport row = site.row(target.report.pid);
            return row.totals.outstanding_count() == 0 ? std::nullopt : std::optional(row);
          },
          group_by_stack};
}

/// The same rows, found by a look at all.
std::vector<SiteReport> all_rows(const EndedTargets& ended, const EndedRowsView& view) {
  std::vector<SiteReport> rows;
  Suppressed none;
  for (const auto& [id, target] : ended.all())
    for (const EndedSite& site : target.sites)
      if (auto row = view.row(target, site, none))
        rows.push_back(std::move(*row));
  if (view.by != GroupBy::stack)
    rows = merge_sites(std::move(rows), view.by, view.group);
  std::sort(rows.begin(), rows.end(), view.order);
  return rows;
}

void check_same(std::vector<SiteReport> rows, std::vector<SiteReport> expected,
                const EndedRowsView& view) {
  std::sort(rows.begin(), rows.end(), view.order);
  rows.resize(std::min(rows.size(), view.rows));
  expected.resize(std::min(expected.size(), view.rows));
  REQUIRE(rows.size() == expected.size());
  for (std::size_t i = 0; i < rows.size(); i++) {
    CAPTURE(i);
    CHECK(rows[i].totals == expected[i].totals);
    CHECK(rows[i].growth_bytes_per_minute == expected[i].growth_bytes_per_minute);
    CHECK(rows[i].processes == expected[i].processes);
    CHECK(rows[i].verdict.severity == expected[i].verdict.severity);
  }
}

} // namespace

TEST_CASE("a site of an ended target comes back as it was", "[ended]") {
  SiteReport site = site_of(1, 2, 700);
  site.growth_bytes_per_minute = 3;
  site.oldest_age_seconds = 4;
  site.verdict = {Severity::low, {"why"}};
  site.score = 0.25;
  for (const SiteReport& each : {site, site_of(1, 3, 0)}) {
    const SiteReport back = EndedSite(each).row(each.pid);
    CHECK(back.pid == each.pid);
    CHECK(back.key == each.key);
    CHECK(back.totals == each.totals);
    CHECK(back.growth_bytes_per_minute == each.growth_bytes_per_minute);
    CHECK(back.oldest_age_seconds == each.oldest_age_seconds);
    CHECK(back.verdict == each.verdict);
    CHECK(back.score == each.score);
    CHECK(back.standard_error_bytes == each.standard_error_bytes);
  }
}

TEST_CASE("what a table costs does not grow with the targets that have ended", "[ended]") {
  std::mt19937 random(1);
  EndedTargets ended;
  EndedRows rows;
  const EndedRowsView view = view_of(20, SortOrder::growth, GroupBy::stack);
  std::uint32_t id = 0;
  const auto looks_of_table = [&](std::size_t new_ones) {
    for (std::size_t i = 0; i < new_ones; i++)
      ended.add(random_target(id++, random));
    const std::size_t before = rows.looks();
    rows.update(ended, view);
    return rows.looks() - before;
  };
  CHECK(looks_of_table(200) == 200);
  CHECK(looks_of_table(10) == 10);
  CHECK(looks_of_table(1800) == 1800);
  CHECK(looks_of_table(10) == 10);
  CHECK(looks_of_table(0) == 0);
}

TEST_CASE("tables show of ended targets what a look at all of them shows", "[ended]") {
  const SortOrder sort = GENERATE(SortOrder::growth, SortOrder::bytes, SortOrder::age);
  const GroupBy by = GENERATE(GroupBy::stack, GroupBy::process, GroupBy::function);
  CAPTURE(static_cast<int>(sort), static_cast<int>(by));
  std::mt19937 random(7);
  EndedTargets ended;
  EndedRows rows;
  const EndedRowsView view = view_of(20, sort, by);
  for (std::uint32_t id = 0; id < 600; id++) {
    ended.add(random_target(id, random));
    if (random() % 40 != 0 && id != 599)
      continue;
    if (id > 300)
      (void)ended.evict(200, 150);
    rows.update(ended, view);
    const auto expected = all_rows(ended, view);
    check_same(by == GroupBy::function ? rows.merged().rows() : rows.best(), expected, view);
    if (by != GroupBy::function)
      CHECK(rows.row_count() == expected.size());
    CHECK(rows.worst().size() == std::min(ended.size(), most_shown_targets));
  }
}

TEST_CASE("the worst of the ended targets are known", "[ended]") {
  std::mt19937 random(3);
  EndedTargets ended;
  EndedRows rows;
  for (std::uint32_t id = 0; id < 300; id++)
    ended.add(random_target(id, random));
  rows.update(ended, view_of(5, SortOrder::growth, GroupBy::stack));
  for (const auto& [id, target] : ended.all())
    if (std::find(rows.worst().begin(), rows.worst().end(), id) == rows.worst().end())
      CHECK_FALSE(is_worse(target.report, ended.find(rows.worst().back())->report));
}

TEST_CASE("rows of living and of ended targets add up in whatever order they came", "[ended]") {
  std::mt19937 random(11);
  std::vector<SiteReport> all;
  SiteMerger living(GroupBy::function);
  SiteMerger ended(GroupBy::function);
  for (std::uint32_t target = 0; target < 40; target++)
    for (std::uint64_t stack = 1; stack <= 3; stack++) {
      const SiteReport site = site_of(target % 30, stack, 1 + random() % 10'000);
      all.push_back(site);
      (random() % 2 == 0 ? living : ended).add(site, group_by_stack(site));
    }
  const auto expected = merge_sites(all, GroupBy::function, group_by_stack);
  auto rows = living.rows_with(ended);
  REQUIRE(rows.size() == expected.size());
  for (const SiteReport& row : rows) {
    const auto same = std::find_if(expected.begin(), expected.end(), [&](const auto& other) {
      return other.frames[0]->function == row.frames[0]->function;
    });
    REQUIRE(same != expected.end());
    CHECK(same->totals == row.totals);
    CHECK(same->processes == row.processes);
    CHECK(same->pid == row.pid);
  }
}

TEST_CASE("ended targets with least outstanding make room", "[ended]") {
  EndedTargets ended;
  for (std::uint32_t id = 0; id < 10; id++)
    ended.add(target_of(id, {site_of(id, 1, 100 * (id + 1))}));
  CHECK(ended.evict(10, 5).empty());
  const auto evicted = ended.evict(9, 4);
  CHECK(evicted.size() == 6);
  CHECK(ended.size() == 4);
  CHECK(ended.arrivals() == std::vector<std::uint32_t>{6, 7, 8, 9});
  CHECK(ended.allocated_count() == 4 * 3);
  CHECK_FALSE(ended.contains(5));
}

TEST_CASE("what is counted late is added to an ended target", "[ended]") {
  EndedTargets ended;
  EndedRows rows;
  const EndedRowsView view = view_of(5, SortOrder::bytes, GroupBy::stack);
  ended.add(target_of(1, {site_of(1, 1, 100)}));
  rows.update(ended, view);
  ended.add_totals({1, LEAKBPF_KIND_HEAP, 1}, {0, 0, 40, 0});
  ended.add_totals({1, LEAKBPF_KIND_HEAP, 9}, {500, 1, 0, 0});
  ended.add_totals({2, LEAKBPF_KIND_HEAP, 9}, {500, 1, 0, 0}); // not known
  CHECK(ended.find(1)->report.outstanding_bytes == 560);
  rows.update(ended, view);
  CHECK(rows.row_count() == 2);
}

TEST_CASE("what is suppressed adds up by rule", "[ended]") {
  Suppressed sum{{{"a", 1, 10}}, 1, 10, 2};
  add_suppressed(sum, {{{"a", 2, 20}, {"b", 1, 5}}, 3, 25, 4});
  CHECK(sum == Suppressed{{{"a", 3, 30}, {"b", 1, 5}}, 4, 35, 6});
}

} // namespace leakbpf
