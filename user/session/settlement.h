// SPDX-License-Identifier: Apache-2.0
// Targets that have ended: what they counted has left the kernel's tables, they are judged for the
// last time, and from then on no sample walks over them; until others need the room.
#pragma once

#include "core/ended_targets.h"
#include "core/growth_record.h"
#include "core/site_ledger.h"
#include "core/stack_store.h"
#include "report/report_judge.h"
#include "report/site_rows.h"
#include "report/stack_labels.h"
#include "session/heap_room_watch.h"
#include "session/held_watches.h"
#include "session/snapshot_taker.h"
#include "session/stack_locator.h"
#include "session/target_table.h"

#include <cstdint>
#include <map>
#include <vector>

namespace leakbpf {

class Settlement {
public:
  /// All outlive this.
  struct Parts {
    TargetTable& targets;
    EndedTargets& ended;
    SiteLedger& ledger;
    const StackStore& stacks;
    StackLocator& locator;
    Namer& namer;
    StackLabels& labels;
    GrowthRecord& growth;
    SiteRows& rows;
    ReportJudge& judge;
    HeldWatches& holders;
    HeapRoomWatch& rooms;
    const SnapshotTaker& taker;
    std::uint64_t& evicted; ///< counts them
  };

  explicit Settlement(Parts parts) : of_(parts) {}

  /// Makes final what is known of targets of which nothing is to come any more.
  void settle();
  /// The least interesting of the ended targets make room.
  void evict();

private:
  using SitesByTarget = std::map<std::uint32_t, std::vector<SiteKey>>;

  [[nodiscard]] SitesByTarget settling();
  [[nodiscard]] EndedTarget last_of(const RawTarget& target, const std::vector<SiteKey>& sites,
                                    const RawSnapshot& raw, const Losses& losses);
  void drop(const SitesByTarget& settled);
  void forget_unused();

  Parts of_;
};

} // namespace leakbpf
