// SPDX-License-Identifier: Apache-2.0
// Verdicts of a report: what sites, containers and memory say of each target, and that of its rows.
#pragma once

#include "core/growth_record.h"
#include "core/verdict.h"
#include "report/raw_snapshot.h"
#include "report/site_rows.h"
#include "report/stack_labels.h"

#include <cstdint>
#include <unordered_map>
#include <vector>

namespace leakbpf {

/// What was missed of allocations, in proportion to the `seen` ones.
[[nodiscard]] Losses losses_for_verdict(const leakbpf_counters& counted, double seen);

class ReportJudge {
public:
  /// Both outlive the judge.
  ReportJudge(const GrowthRecord& growth, const SiteRows& rows) : growth_(growth), rows_(rows) {}

  /// Takes out what a rule hides, and counts it; what it grew by does not count for its target.
  void suppress(std::vector<SiteReport>& rows, StackLabels& labels, const RawSnapshot& raw,
                bool whole, Suppressed& suppressed);
  /// The same of containers: at least so much of the target's growth is hidden, in bytes a second.
  void suppress_at_least(std::uint32_t target, double rate);
  /// Forgets what was weighed, and weighs these rows.
  void weigh(const std::vector<SiteReport>& rows, const RawSnapshot& raw);
  /// How much of what grows replaces other blocks: once all was weighed.
  void weigh_replaced(const RawSnapshot& raw);
  /// What the target's containers say.
  void weigh_held(std::uint32_t target, const SureGrowth& held);
  /// Why nothing is known of its containers.
  void note_unread(std::uint32_t target, std::string problem);
  /// The verdict of a target, by what was weighed.
  void judge(const RawTarget& target, const RawSnapshot& raw, const Losses& losses,
             TargetReport& row);
  /// That of a row, by its target's. Of mappings what is resident counts, where it is known.
  void judge(SiteReport& row) const;
  /// Both, of one that has ended and its rows.
  void judge_last(const RawTarget& target, const RawSnapshot& raw, const Losses& losses,
                  std::vector<SiteReport>& rows, StackLabels& labels, TargetReport& target_row);
  /// Rows of pages that were turned to stay only where the others do not show the growth.
  void drop_explained_pages(std::vector<SiteReport>& rows, const RawSnapshot& raw) const;
  void forget(std::uint32_t target);

private:
  void weigh(const SiteReport& row, const RawSnapshot& raw);
  static void weigh_replaced(TargetEvidence& evidence, const RawTarget& target,
                             const RawSnapshot& raw);
  void weigh_memory(const RawTarget& target, const RawSnapshot& raw, TargetEvidence& evidence);
  [[nodiscard]] SiteEvidence evidence_of(const SiteReport& row) const;

  const GrowthRecord& growth_;
  const SiteRows& rows_;
  std::unordered_map<std::uint32_t, TargetEvidence> evidence_; ///< what targets are judged by
  std::unordered_map<std::uint32_t, double> suppressed_rates_; ///< by target, bytes a second
};

} // namespace leakbpf
