// SPDX-License-Identifier: Apache-2.0
// Looks at what is outstanding block by block: how old it is, what Python's objects hold, and what
// of it has gone without a sign. The more blocks there are, the rarer that is done.
#pragma once

#include "core/ended_targets.h"
#include "core/growth_record.h"
#include "core/site_ledger.h"
#include "python/pools.h"
#include "session/heap_windows.h"
#include "session/python_heap.h"
#include "session/stack_locator.h"
#include "session/target_probes.h"
#include "session/target_table.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

namespace leakbpf {

struct OutstandingBlock {
  leakbpf_block_key place;
  leakbpf_block block;
};

class BlockScanner {
public:
  /// All outlive the scanner.
  struct Parts {
    const ProcFs& proc;
    BlockTable& blocks;
    const KernelCounts& counts;
    const HeapWindows& windows;
    const GrowthRecord& growth;
    SiteLedger& ledger;
    StackLocator& locator;
    TargetTable& targets;
    const TargetProbes& probes;
    bool follows_pages; ///< of all targets
    const LedgerTargets& traced;
    const EndedTargets& ended;
  };

  /// `clock` tells seconds since tracing began.
  BlockScanner(Parts parts, std::function<double()> clock) : of_(parts), clock_(std::move(clock)) {}

  /// Scans when it is time to.
  void read();
  /// It is time now.
  void hurry() { next_age_scan_ = 0; }
  /// Seconds; of SiteAges::old_survival_percent.
  [[nodiscard]] std::optional<double> survival_age() const { return survival_age_; }
  /// The kernel side did not see that the block was freed.
  void give_back(const OutstandingBlock& each);
  /// A sample of its pages is followed.
  [[nodiscard]] bool has_rows_of_pages(const TargetState& target) const {
    return of_.follows_pages || target.pages_since;
  }

private:
  using Site = SiteLedger::Site;
  using Blocks = std::vector<OutstandingBlock>;
  /// What is looked at more closely than for its age, by target.
  struct Found {
    std::unordered_map<std::uint32_t, PythonHeap> pythons;
    std::unordered_map<std::uint32_t, Blocks> old; ///< that may have been freed between windows
    std::unordered_map<std::uint32_t, Blocks> pages;
    std::vector<leakbpf_block_key> ended; ///< of targets that have ended
  };

  [[nodiscard]] double scan_interval(double cost) const;
  void scan();
  [[nodiscard]] Found wanted() const;
  void take(const OutstandingBlock& each, std::uint64_t now_ns, Found& found);
  void begin_ages();
  void end_ages();
  void add_age(Site& site, std::uint64_t age_ns, std::uint64_t bytes, double weight) const;
  void add_age_of(const OutstandingBlock& each, std::uint64_t now_ns);
  void add_ages_of_ranges(std::uint64_t now, Found& found);
  void find_survivors(const SurvivalMark& mark);
  [[nodiscard]] bool is_old(const leakbpf_block_key& place, const leakbpf_block& block) const;
  [[nodiscard]] bool is_limited(std::uint32_t target) const;
  [[nodiscard]] bool has_last_ages(std::uint32_t target) const;
  void forget_blocks_of_ended(const std::vector<leakbpf_block_key>& blocks);
  void forget_given_back(const TargetState& target, const Blocks& blocks);
  void forget_lost_pages(const TargetState& target, Blocks& pages);
  void forget_empty_pools(const PythonHeap& heap, const std::vector<PoolUse>& use);
  void look_at_python(TargetState& target, PythonHeap& heap);

  Parts of_;
  std::function<double()> clock_;
  std::optional<double> survival_age_;
  double next_age_scan_ = 0;
  double next_window_scan_ = 0;       ///< the soonest, though a window has ended
  std::uint64_t scanned_windows_ = 0; ///< those that had ended at the last scan
};

} // namespace leakbpf
