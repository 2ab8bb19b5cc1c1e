// SPDX-License-Identifier: Apache-2.0
// Rows of sites: each with its trend, its ages and how sure its numbers are. There are tens of
// thousands of sites, and a table is made each second: what cannot be in it is left out here.
#pragma once

#include "core/growth_record.h"
#include "core/reconcile.h"
#include "core/site_ledger.h"
#include "report/raw_snapshot.h"

#include <functional>
#include <optional>
#include <vector>

namespace leakbpf {

class SiteRows {
public:
  using ReachOf = std::function<std::optional<ReachReport>(const SiteKey&)>;
  enum class Wanted {
    shown, ///< in a table: what is outstanding, or grows; trends may be some samples old
    known, ///< the same with what holds nothing any more
    whole, ///< all, and nothing that is not of this moment
  };

  /// All outlive the rows.
  SiteRows(SiteLedger& ledger, const GrowthRecord& growth, ReachOf reach)
      : ledger_(ledger), growth_(growth), reach_(std::move(reach)) {}

  /// Of targets in `raw`, without frames, and no larger than the processes are.
  [[nodiscard]] std::vector<SiteReport> make(const RawSnapshot& raw, Wanted wanted);
  /// The last ones of these sites of a target that has ended.
  [[nodiscard]] std::vector<SiteReport> make_last(const RawSnapshot& raw, const RawTarget& target,
                                                  const std::vector<SiteKey>& sites);
  /// As rows were made last; null: unknown.
  [[nodiscard]] const Trend* trend_of(const SiteKey& key) const;

private:
  using Site = SiteLedger::Site;

  void renew_trend(const SiteKey& key, Site& site, const RawTarget& target, bool whole);
  [[nodiscard]] SiteReport row_of(const SiteKey& key, const Site& site, const RawTarget& target,
                                  const RawSnapshot& raw) const;
  [[nodiscard]] const SiteAges* ages_of(const SiteKey& key, const Site& site) const;
  [[nodiscard]] MeasuredMemory measured(const RawTarget& target) const;

  SiteLedger& ledger_;
  const GrowthRecord& growth_;
  ReachOf reach_;
};

} // namespace leakbpf
