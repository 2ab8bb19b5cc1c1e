// SPDX-License-Identifier: Apache-2.0
// From what is known at one moment to a report: rows of sites, judged, ranked, named.
#pragma once

#include "core/ended_rows.h"
#include "core/ended_targets.h"
#include "core/grouping.h"
#include "core/growth_record.h"
#include "core/ranking.h"
#include "core/site_ledger.h"
#include "report/holder_source.h"
#include "report/raw_snapshot.h"
#include "report/report_judge.h"
#include "report/site_rows.h"
#include "report/stack_labels.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_set>
#include <vector>

namespace leakbpf {

class ReportMaker {
public:
  struct Options {
    GroupBy group_by = GroupBy::stack;
    bool has_suppressions = false;
    double min_age_seconds = 0; ///< of its oldest block, for a site to have a row
  };
  /// Sets SiteReport::resident_bytes of mappings.
  using Measure = std::function<void(std::vector<SiteReport>&)>;

  /// All outlive the maker.
  ReportMaker(Options options, const SiteLedger& ledger, const GrowthRecord& growth,
              const EndedTargets& ended, SiteRows& rows, ReportJudge& judge, StackLabels& labels,
              HolderSource& holders)
      : options_(options), ledger_(ledger), growth_(growth), ended_(ended), rows_(rows),
        judge_(judge), labels_(labels), holders_(holders) {}

  /// The `rows` sites that `order` puts first (0: all). `measure_resident` is asked once nothing
  /// counts any more.
  [[nodiscard]] Report make(const RawSnapshot& raw, std::size_t rows, const SiteOrder& order,
                            const Measure& measure_resident);

private:
  [[nodiscard]] std::vector<SiteReport> living_rows(const RawSnapshot& raw, bool whole,
                                                    Report& report, TargetIndex& index);
  [[nodiscard]] SiteRows::Wanted wanted_rows(const RawSnapshot& raw, bool whole) const;
  [[nodiscard]] static std::vector<TargetReport>
  target_rows(const RawSnapshot& raw, const std::vector<SiteReport>& sites, TargetIndex& index);
  [[nodiscard]] bool is_dropped(const SiteReport& site, bool only_outstanding) const;
  [[nodiscard]] std::optional<SiteReport>
  ended_row(const EndedTarget& target, const EndedSite& site, bool whole, Suppressed& suppressed);
  [[nodiscard]] static TargetReport ended_report(const RawSnapshot& raw, const EndedTarget& target);
  void add_all_ended(const RawSnapshot& raw, Report& report, std::vector<SiteReport>& sites,
                     TargetIndex& index);
  void add_worst_ended(const RawSnapshot& raw, Report& report, std::size_t rows,
                       const SiteOrder& order, TargetIndex& index);
  [[nodiscard]] std::vector<SiteReport>
  what_comes_and_goes(const std::unordered_set<std::uint32_t>& targets) const;
  void compare_paths(const std::vector<SiteReport>& sites);
  [[nodiscard]] std::vector<SiteReport> grouped(std::vector<SiteReport> sites, bool whole);
  [[nodiscard]] std::vector<SiteReport> first_of(std::vector<SiteReport> sites, std::size_t rows,
                                                 const SiteOrder& order, std::size_t& count) const;
  void finish_rows(const RawSnapshot& raw, Report& report, TargetIndex& index);

  Options options_;
  const SiteLedger& ledger_;
  const GrowthRecord& growth_;
  const EndedTargets& ended_;
  SiteRows& rows_;
  ReportJudge& judge_;
  StackLabels& labels_;
  HolderSource& holders_;
  EndedRows ended_rows_;
};

} // namespace leakbpf
