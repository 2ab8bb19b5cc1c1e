// SPDX-License-Identifier: Apache-2.0
// Traces processes: attaches, follows their life, samples what is outstanding, and reports it. What
// each of these takes is in a class of its own; this one puts them together.
#pragma once

#include "core/ended_targets.h"
#include "core/growth_record.h"
#include "core/site_ledger.h"
#include "core/stack_store.h"
#include "report/report_judge.h"
#include "report/report_maker.h"
#include "report/site_rows.h"
#include "report/stack_labels.h"
#include "session/attachments.h"
#include "session/block_scanner.h"
#include "session/heap_room_watch.h"
#include "session/heap_windows.h"
#include "session/held_watches.h"
#include "session/holder_rows.h"
#include "session/left_out.h"
#include "session/pages_on_demand.h"
#include "session/process_watch.h"
#include "session/reach_survey.h"
#include "session/sampler.h"
#include "session/seccomp_guard.h"
#include "session/settlement.h"
#include "session/snapshot_taker.h"
#include "session/stack_locator.h"
#include "session/target_probes.h"
#include "session/target_table.h"
#include "session/trace_options.h"
#include "session/traced_targets.h"
#include "session/tracing.h"
#include "symbol/namer.h"
#include "unwind/unwind_service.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace leakbpf {

class Tracer final : public Tracing {
public:
  /// Everything is attached and counting when this returns.
  [[nodiscard]] static Result<std::unique_ptr<Tracer>> start(const ProcFs& proc,
                                                             TraceOptions options);
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;
  ~Tracer() override;

  /// Attaches to the allocator in a file that the target will map, if there is one in it.
  void attach_file(pid_t pid, const std::string& path) override;

  [[nodiscard]] double elapsed() const override;
  bool run_until(double deadline, int interrupt_fd) override;
  [[nodiscard]] bool all_ended() const override;
  [[nodiscard]] bool had_targets() const override { return !targets_.empty() || ended_.size() > 0; }
  void sample() override;
  /// With the ages of all blocks.
  void sample_whole() override;
  /// Stops counting in every target.
  void freeze() override;
  [[nodiscard]] Report report(std::size_t rows, const SiteOrder& order) override;
  /// What is walked over for each sample and each table.
  struct Extent {
    std::size_t targets = 0;
    std::size_t sites = 0;
    std::size_t kernel_sites = 0; ///< the kernel side's, as sampled last
  };
  [[nodiscard]] Extent extent() const {
    return {targets_.size(), ledger_.sites().size(), ledger_.in_kernel()};
  }

private:
  using Clock = std::chrono::steady_clock;

  Tracer(const ProcFs& proc, TraceOptions options, BackendCheck backend, KernelSide kernel,
         std::unique_ptr<UnwindService> unwind);

  void inform_of_tables();
  void watch_containers(const TargetState& target);
  void follow_events();
  void handle(const leakbpf_event& event);
  void forget_mapped_block(const TargetState& target, const leakbpf_event& event);
  void take_finished_stacks();
  void note_windows();
  void note_changed_files(Report& report);
  [[nodiscard]] std::string comm_of(std::uint32_t target) const;

  // Each part uses some of those before it; it is here that they all live.
  const ProcFs& proc_;
  TraceOptions options_;
  BackendCheck backend_;
  KernelSide kernel_;
  std::unique_ptr<UnwindService> unwind_;
  Attachments attachments_;
  SeccompGuard seccomp_;
  Clock::time_point started_;         ///< before those whose threads ask for the time
  StackLocator::Losses own_losses_{}; ///< found in user space
  LeftOut left_out_;
  HeapWindows windows_;
  TargetTable targets_; ///< until they are settled
  TargetProbes probes_;
  ProcessWatch watch_;
  EndedTargets ended_; ///< all others there were
  StackStore stacks_;
  Namer namer_;
  StackLocator locator_;
  TracedTargets traced_;
  SiteLedger ledger_; ///< sites of all kinds, as sampled last
  GrowthRecord growth_;
  BlockScanner scanner_;
  ReachSurvey reach_;
  HeapRoomWatch rooms_;
  PagesOnDemand pages_;
  Sampler sampler_;
  StackLabels labels_;
  SiteRows rows_;
  ReportJudge judge_;
  HeldWatches holders_;
  HolderRows holder_rows_;
  SnapshotTaker taker_;
  Settlement settlement_;
  ReportMaker maker_;
  std::vector<leakbpf_event> new_stacks_; ///< to be looked at
  bool frozen_ = false;
  std::set<std::string> changed_files_; ///< that were told of
};

} // namespace leakbpf
