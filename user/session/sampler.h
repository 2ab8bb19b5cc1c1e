// SPDX-License-Identifier: Apache-2.0
// A sample: what is outstanding now, and what memory the targets have, for what will be compared
// with it later.
#pragma once

#include "core/growth_record.h"
#include "core/site_ledger.h"
#include "report/target_memory.h"
#include "session/heap_room_watch.h"
#include "session/pages_on_demand.h"
#include "session/process_watch.h"
#include "session/target_table.h"
#include "target/memory_limit.h"

#include <cstdint>
#include <vector>

namespace leakbpf {

class Sampler {
public:
  /// All outlive the sampler.
  struct Parts {
    const ProcFs& proc;
    TargetTable& targets;
    const ProcessWatch& watch;
    GrowthRecord& growth;
    SiteLedger& ledger;
    PagesOnDemand& pages;
    HeapRoomWatch& rooms;
    bool by_pages; ///< sums are of pages alone
  };

  explicit Sampler(Parts parts) : of_(parts), limits_(parts.proc) {}

  /// The ledger was read, and it was looked at the living targets. `now`: seconds since tracing
  /// began.
  void sample(double now);
  [[nodiscard]] const std::vector<HistoryPoint>& history() const { return history_.points(); }

private:
  [[nodiscard]] bool is_news(const TargetState& target) const;
  void put_site(const TargetState& target, const SiteKey& key, const SiteTotals& totals);
  void sample_targets(double now);
  [[nodiscard]] std::uint64_t outstanding_in_heap(std::uint32_t target) const;
  void look_at_memory(TargetState& target, MemoryLimitSample& limits, HistoryPoint& point);

  Parts of_;
  MemoryLimits limits_;
  MemoryHistory history_;
};

} // namespace leakbpf
