// SPDX-License-Identifier: Apache-2.0
// What a trace knows at one moment, as the values that rows and verdicts are made of.
#pragma once

#include "core/ended_targets.h"
#include "core/site_ledger.h"
#include "report/raw_snapshot.h"
#include "session/block_scanner.h"
#include "session/heap_room_watch.h"
#include "session/heap_windows.h"
#include "session/held_watches.h"
#include "session/target_probes.h"
#include "session/target_table.h"
#include "session/trace_options.h"
#include "symbol/namer.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>

namespace leakbpf {

class SnapshotTaker {
public:
  /// All outlive this.
  struct Parts {
    const TraceOptions& options;
    Backend backend;
    const KernelCounts& counts;
    const HeapWindows& windows;
    const TargetTable& targets;
    const TargetProbes& probes;
    const EndedTargets& ended;
    const SiteLedger& ledger;
    const BlockScanner& scanner;
    const HeapRoomWatch& rooms;
    const HeldWatches& holders;
    const Namer& namer;
    const StackLocator::Losses& losses; ///< found in user space
  };

  /// `clock` tells seconds since tracing began.
  SnapshotTaker(Parts parts, std::function<double()> clock)
      : of_(parts), clock_(std::move(clock)) {}

  /// In RFC 3339.
  void set_start(std::string started_at) { started_at_ = std::move(started_at); }
  /// Nothing counts any more.
  void freeze() { frozen_ = true; }

  [[nodiscard]] RawSnapshot take() const;
  /// Of these targets alone, without a head.
  [[nodiscard]] RawSnapshot take_of(const std::set<std::uint32_t>& targets) const;

private:
  [[nodiscard]] RawSnapshot moment() const;
  [[nodiscard]] RawTarget raw_target(const TargetState& target) const;
  [[nodiscard]] TargetReport target_report(const TargetState& target) const;
  [[nodiscard]] std::optional<PythonReport> python_report(const TargetState& target) const;
  [[nodiscard]] double allocated_count() const;
  [[nodiscard]] leakbpf_counters counters() const;
  [[nodiscard]] Report head(const leakbpf_counters& counted) const;
  void fill_cost(Report& report) const;

  Parts of_;
  std::function<double()> clock_;
  std::string started_at_;
  bool frozen_ = false;
};

} // namespace leakbpf
