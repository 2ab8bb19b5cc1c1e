// SPDX-License-Identifier: Apache-2.0
// Containers that grow, in reports: what is read of them, joined with what probes saw.
#pragma once

#include "core/growth_record.h"
#include "core/site_ledger.h"
#include "core/stack_store.h"
#include "report/holder_source.h"
#include "report/report_judge.h"
#include "report/stack_labels.h"
#include "session/held_watches.h"
#include "session/stack_locator.h"
#include "session/target_table.h"
#include "session/trace_options.h"

#include <cstddef>
#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

namespace leakbpf {

class HolderRows : public HolderSource {
public:
  /// All outlive the rows.
  struct Parts {
    const TraceOptions& options;
    const BlockTable& blocks;
    const HeldWatches& watches;
    const GrowthRecord& growth;
    const SiteLedger& ledger;
    const StackStore& stacks;
    const TargetTable& targets;
    StackLocator& locator;
    Namer& namer;
    StackLabels& labels;
    ReportJudge& judge;
  };

  explicit HolderRows(Parts parts) : of_(parts) {}

  void find(Suppressed& suppressed) override;
  void weigh() override;
  void put_behind(const Report& report, std::vector<SiteReport>& sites,
                  const TargetIndex& index) const override;
  void add(Report& report, const TargetIndex& index) override;

private:
  [[nodiscard]] Frames python_lines_at(const TargetState& target, std::uint64_t block);
  void prove_lines(const TargetState& target, HeldFinding& finding);
  [[nodiscard]] double sites_rate(std::uint32_t id) const;

  Parts of_;
  std::map<std::uint32_t, std::vector<HeldFinding>> found_; ///< by target
};

} // namespace leakbpf
