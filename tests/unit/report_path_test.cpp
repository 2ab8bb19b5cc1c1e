// SPDX-License-Identifier: Apache-2.0
// A report that is shown at once and one that is read from its own file are the same, to the byte.
#include "core/culprit_rows.h"
#include "core/ended_targets.h"
#include "made_ledger.h"
#include "render/format.h"
#include "render/json.h"
#include "render/table.h"
#include "report/report_maker.h"
#include "store/snapshot_reader.h"

#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using namespace leakbpf;

namespace {

constexpr std::uint32_t most_targets = 5;
constexpr int seconds = 90;

/// The hash of a stack says in which functions it is.
LocatedStack stack_of(std::uint64_t hash) {
  LocatedStack stack;
  for (std::uint64_t rest = hash; rest != 0; rest /= 10)
    stack.places.push_back({1, true, rest % 10 + 1});
  return stack;
}

class MadeNames : public FrameNamer {
public:
  [[nodiscard]] Frames name(const LocatedStack& stack) override {
    Frames frames;
    for (const CodePlace& place : stack.places) {
      Frame frame;
      frame.function = "step_" + std::to_string(place.offset);
      frame.module = place.offset < 3 ? "/usr/lib/libwork.so.1" : "/srv/shop/shop";
      frame.file = "/srv/shop/shop.cpp";
      frame.line = static_cast<unsigned>(10 * place.offset);
      frame.offset = place.offset;
      frames.emplace_back(std::move(frame));
    }
    return frames;
  }
};

class NoHolders : public HolderSource {
public:
  void find(Suppressed& /*suppressed*/) override {}
  void weigh() override {}
  void put_behind(const Report& /*report*/, std::vector<SiteReport>& /*sites*/,
                  const TargetIndex& /*index*/) const override {}
  void add(Report& /*report*/, const TargetIndex& /*index*/) override {}
};

/// Some processes whose stacks leak, churn, fill up, or do nothing, as the seed has it.
class MadeRun {
public:
  explicit MadeRun(std::uint32_t seed) : random_(seed) {
    targets_ = 1 + pick(most_targets);
    for (std::uint64_t i = 0, sites = 1 + pick(60); i < sites; i++)
      begin_site();
    for (int t = 0; t <= seconds; t++)
      step(t);
  }

  [[nodiscard]] Report report(std::size_t rows, SortOrder sort) {
    return maker_.make(snapshot(), rows, site_order(sort), [](std::vector<SiteReport>&) {});
  }

private:
  enum class Shape { leaks, churns, fills, rests };

  std::uint64_t pick(std::uint64_t count) { return random_() % count; }

  void begin_site() {
    constexpr std::array kinds{LEAKBPF_KIND_HEAP, LEAKBPF_KIND_HEAP, LEAKBPF_KIND_MMAP,
                               LEAKBPF_KIND_BRK};
    const KernelKey key{static_cast<std::uint32_t>(1 + pick(targets_)), kinds.at(pick(4)),
                        1 + pick(99'999)};
    shapes_[key] = {static_cast<Shape>(pick(4)), 16 + pick(100'000)};
  }

  static void take(leakbpf_site_totals& totals, std::uint64_t bytes) {
    totals.allocated_bytes += bytes << LEAKBPF_WEIGHT_BITS;
    totals.allocated_count += LEAKBPF_WEIGHT_ONE;
  }
  static void give_back(leakbpf_site_totals& totals, std::uint64_t bytes) {
    totals.freed_bytes += bytes << LEAKBPF_WEIGHT_BITS;
    totals.freed_count += LEAKBPF_WEIGHT_ONE;
  }

  void step(int t) {
    for (const auto& [key, shape] : shapes_) {
      leakbpf_site_totals& totals = table_.sites[key];
      const auto& [what, bytes] = shape;
      if (what == Shape::leaks || (what == Shape::fills && t < seconds / 3) || t == 0)
        take(totals, bytes);
      if (what == Shape::churns) {
        take(totals, bytes);
        give_back(totals, bytes);
      }
    }
    ledger_.read();
    growth_.begin_sample(t);
    std::map<std::uint32_t, std::uint64_t> outstanding;
    for (auto& [key, site] : ledger_.sites()) {
      site.grew = true;
      growth_.put_site(key, site.totals);
      outstanding[key.target] += site.totals.outstanding_bytes();
    }
    for (std::uint32_t id = 1; id <= targets_; id++) {
      const auto bytes = static_cast<double>(outstanding[id]);
      growth_.put_target(id, TargetSeries::outstanding, bytes);
      growth_.put_target(id, TargetSeries::memory, 5e6 + bytes);
    }
  }

  [[nodiscard]] RawSnapshot snapshot() const {
    RawSnapshot raw;
    raw.now = seconds;
    raw.is_last = true;
    raw.all_followed = true;
    raw.head.version = "0.1.0";
    raw.head.host = {"vm", "6.1.0", "x86_64", 2};
    raw.head.started_at = "2026-01-31T09:30:00Z";
    raw.head.duration_seconds = seconds;
    raw.head.backend = "session";
    raw.head.sampling = {1, true};
    for (std::uint32_t id = 1; id <= targets_; id++) {
      RawTarget target;
      target.id = id;
      target.until = seconds;
      target.asked_for = true;
      target.report.pid = static_cast<std::int32_t>(100 + id);
      target.report.comm = "shop";
      target.report.rss_start_bytes = 5'000'000;
      target.report.rss_end_bytes = 500'000'000;
      raw.targets.emplace(id, target);
    }
    return raw;
  }

  std::minstd_rand random_;
  std::uint64_t targets_ = 0;
  std::map<KernelKey, std::pair<Shape, std::uint64_t>> shapes_;
  MadeSiteTable table_;
  StackStore stacks_;
  MadeLedgerTargets made_targets_{stacks_, stack_of};
  SiteLedger ledger_{table_, stacks_, made_targets_};
  GrowthRecord growth_;
  MadeNames names_;
  ProcFs proc_{"/nowhere"};
  Suppressions suppressions_;
  std::optional<Pattern> filter_;
  StackLabels labels_{
      stacks_,
      names_,
      proc_,
      {GroupBy::stack, suppressions_, filter_},
      {[](const SiteKey&) { return std::nullopt; }, [](std::uint32_t) { return "shop"; }}};
  SiteRows rows_{ledger_, growth_, [](const SiteKey&) { return std::nullopt; }};
  ReportJudge judge_{growth_, rows_};
  EndedTargets ended_;
  NoHolders holders_;
  ReportMaker maker_{{}, ledger_, growth_, ended_, rows_, judge_, labels_, holders_};
};

TableStyle style() {
  TableStyle style;
  style.stacks = true;
  return style;
}

/// As it is read from the file that was written of it.
Report stored(Report whole, const Arrangement& arrangement) {
  rank_by_culprit(whole, site_order(arrangement.sort));
  auto read = read_snapshot(render_json(whole), "leak.json");
  REQUIRE(read);
  arrange(*read, arrangement);
  return *std::move(read);
}

} // namespace

TEST_CASE("a table and that of its own file are equal, byte for byte", "[report]") {
  constexpr std::size_t most_joined = 200; // as in a table that is shown at once
  constexpr std::size_t rows = 12;
  for (std::uint32_t seed = 1; seed <= 60; seed++) {
    for (const SortOrder sort : {SortOrder::growth, SortOrder::bytes, SortOrder::count}) {
      CAPTURE(seed, static_cast<int>(sort));
      MadeRun run(seed);
      Report shown = run.report(most_joined, sort);
      join_culprits(shown, site_order(sort), rows);
      Arrangement arrangement;
      arrangement.sort = sort;
      arrangement.culprits = CulpritRows::joined;
      arrangement.rows = rows;
      CHECK(render_table(stored(run.report(0, sort), arrangement), style()) ==
            render_table(shown, style()));
    }
  }
}

TEST_CASE("every format of a report and of its own file is equal, byte for byte", "[report]") {
  for (std::uint32_t seed = 100; seed < 110; seed++) {
    MadeRun run(seed);
    Report shown = run.report(0, SortOrder::growth);
    rank_by_culprit(shown, site_order(SortOrder::growth));
    Arrangement arrangement;
    arrangement.culprits = CulpritRows::together;
    const Report read = stored(run.report(0, SortOrder::growth), arrangement);
    for (const Format format : {Format::json, Format::compact, Format::folded, Format::pprof,
                                Format::svg, Format::html, Format::speedscope}) {
      CAPTURE(seed, static_cast<int>(format));
      CHECK((render(read, format, style()) == render(shown, format, style())));
    }
  }
}
