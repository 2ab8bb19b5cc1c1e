// SPDX-License-Identifier: Apache-2.0
// Traces processes: attaches, follows their life, samples what is outstanding, and reports it.
#pragma once

#include "core/grouping.h"
#include "core/growth_record.h"
#include "core/ranking.h"
#include "core/report.h"
#include "core/suppressions.h"
#include "core/verdict.h"
#include "kernel/features.h"
#include "python/pools.h"
#include "session/attachments.h"
#include "session/heap_windows.h"
#include "session/python_heap.h"
#include "session/seccomp_guard.h"
#include "session/target_state.h"
#include "symbol/namer.h"
#include "symbol/source_lines.h"
#include "target/memory_limit.h"
#include "target/selection.h"
#include "unwind/unwind_service.h"

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <regex>
#include <set>
#include <unordered_set>

namespace leakbpf {

struct TraceOptions {
  std::vector<pid_t> pids;               ///< asked for one by one: each must be there
  TargetSelection selection;             ///< these, and what else is wanted, now and later
  KernelConfig kernel;                   ///< backend and max_live are filled in by the tracer
  std::optional<std::uint32_t> max_live; ///< else by the size of the targets
  std::optional<Backend> backend;        ///< else the best that works
  AllocatorHints hints;
  bool python = true;       ///< show Python frames
  bool unwind_cache = true; ///< keep unwind tables on disk from one run to the next
  CostLimits limits;
  double min_age_seconds = 0;
  GroupBy group_by = GroupBy::stack; ///< what the rows of `report` are
  Suppressions suppressions;         ///< stacks that are counted, and not shown
  std::optional<std::regex> filter;  ///< rows whose stack matches; none: all
  SeccompGuard::Check check_seccomp = leakbpf::check_seccomp;
  /// Called with things worth telling while tracing goes on (a child that cannot be followed).
  std::function<void(const std::string&)> warn = [](const std::string&) {};
  std::function<void(const std::string&)> inform = [](const std::string&) {};
};

class Tracer {
public:
  /// Everything is attached and counting when this returns.
  [[nodiscard]] static Result<std::unique_ptr<Tracer>> start(const ProcFs& proc,
                                                             TraceOptions options);
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;
  ~Tracer();

  /// Attaches to the allocator in a file that the target will map, if there is one in it.
  void attach_file(pid_t pid, const std::string& path);

  /// Seconds since tracing started.
  [[nodiscard]] double elapsed() const;
  /// Follows events until `deadline` (in elapsed() seconds), or until `interrupt_fd` is readable,
  /// or until the last target ended. True when the deadline was reached.
  bool run_until(double deadline, int interrupt_fd);
  [[nodiscard]] bool all_ended() const;
  /// False: no process that is wanted came.
  [[nodiscard]] bool had_targets() const { return !targets_.empty(); }
  /// Reads what is outstanding now and adds it to the histories.
  void sample();
  /// The same with the ages of all blocks, however long that takes.
  void sample_whole();
  /// Stops counting in every target, so that what is read next is one moment's truth.
  void freeze();
  /// What was found so far: the `rows` sites that `order` puts first (0: all), of the kinds wanted,
  /// with names.
  [[nodiscard]] Report report(std::size_t rows, const SiteOrder& order);

private:
  using Clock = std::chrono::steady_clock;
  struct Pending {
    double due = 0;
    pid_t pid = 0;
  };

  Tracer(const ProcFs& proc, TraceOptions options, BackendCheck backend, KernelSide kernel,
         std::unique_ptr<UnwindService> unwind);

  Result<void> follow_all(const std::vector<pid_t>& pids);
  void tell_begin();
  [[nodiscard]] bool should_share();
  HeapWindows::Index join_group(pid_t pid);
  [[nodiscard]] HeapWindows::Index group_of_child(pid_t pid, const TargetState* parent);
  Result<void> follow(pid_t pid, bool named);
  Result<AttachSummary> attach_to(pid_t pid, std::span<const Mapping> mappings,
                                  const PythonSearch& python);
  void inform_of_tables();
  TargetState& add_target(std::uint32_t id, pid_t pid, std::uint32_t group,
                          std::optional<std::uint64_t> start_stack, PythonSearch python = {});
  TargetState* find_target(std::uint32_t id);
  void follow_events();
  void handle(const leakbpf_event& event);
  void on_new_stack(const leakbpf_event& event);
  void take_finished_stacks();
  bool remember(TargetState& target, std::uint64_t hash, const leakbpf_stack& stack);
  [[nodiscard]] SiteKey by_place(SiteKey key);
  void forget_mapped_block(const TargetState& target, const leakbpf_event& event);
  void on_fork(const leakbpf_event& event);
  void on_exec(const leakbpf_event& event);
  void on_exit(std::uint32_t id, std::string how);
  void keep_collections(TargetState& target);
  void attach_pending();
  void await_mappings(pid_t pid);
  void take_selected(pid_t pid);
  void look_for_targets();
  [[nodiscard]] bool still_runs(const TargetState& target) const;
  [[nodiscard]] bool has_image(const TargetState& target) const;
  [[nodiscard]] bool is_same_image(const TargetState& target) const;
  [[nodiscard]] bool is_target_of_its_pid(const TargetState& target) const;
  void look_at_targets();
  [[nodiscard]] bool has_lost_main_thread(const TargetState& target) const;
  [[nodiscard]] bool lost_probes(const TargetState& target) const;
  [[nodiscard]] std::vector<Mapping> mappings_of_threads(pid_t pid) const;
  void move_to_shared_probes(TargetState& target);
  void attach_python_hooks(TargetState& target);
  [[nodiscard]] bool looks_at_all() const;
  [[nodiscard]] std::size_t living_targets() const;
  [[nodiscard]] bool has_ended(std::uint32_t target) const;
  [[nodiscard]] bool has_last_ages(std::uint32_t target) const;
  void forget_blocks_of_ended(const std::vector<leakbpf_block_key>& blocks);
  void retire_ended(const std::vector<SiteSample>& samples);
  void evict_targets();
  void forget(std::uint32_t target);
  void forget_unused_stacks();
  [[nodiscard]] std::string read_maps(const TargetState& target) const;
  void refresh_mappings(TargetState& target);
  Result<void> allow_probes(const ProcessInfo& process);
  bool may_be_probed(TargetState& target);
  void look_for_python(TargetState& target, std::span<const Mapping> mappings);
  void take_python(TargetState& target, PythonSearch search);
  [[nodiscard]] LocatedStack locate(const TargetState& target, const leakbpf_stack& stack);
  [[nodiscard]] bool is_news(const TargetState& target) const;
  void put_site(const TargetState& target, const SiteKey& key, const SiteTotals& totals);
  /// A key that nothing counts for any more has totals of 0.
  struct Site {
    SiteTotals totals;
    std::unique_ptr<Trend> trend;   ///< where there was anything outstanding
    std::size_t trend_of = 0;       ///< what growth_.kept_samples() was when it was made
    std::uint64_t trend_bytes = 0;  ///< that were outstanding then
    std::unique_ptr<SiteAges> ages; ///< where blocks were found
    bool grew = false;              ///< something was outstanding at some time

    [[nodiscard]] bool is_known() const { return totals != SiteTotals{}; }
  };
  void note_windows();
  void read_sites();
  [[nodiscard]] Site& site_of(const SiteKey& kernel_key);
  void add_sites(const std::vector<SiteSample>& samples);
  void add_site(const SiteSample& sample, Site& site);
  [[nodiscard]] bool is_unfinished(const SiteKey& key) const;
  struct HeapBacking {
    bool serves_heap = false;
    std::uint64_t heap_stack = 0; ///< hash of the places from the heap function's caller on
  };
  [[nodiscard]] HeapBacking backing_of(const SiteKey& place);
  [[nodiscard]] bool maps_blocks(const TargetState& target) const;
  [[nodiscard]] std::optional<SiteKey> site_of_range(const TargetState& target, const SiteKey& key);
  [[nodiscard]] bool is_summed(const SiteKey& key) const;
  void make_room(const std::vector<SiteSample>& samples);
  [[nodiscard]] std::uint64_t outstanding_in_kernel(const SiteSample& sample) const;
  void given_back_by_place(const SiteKey& key, const SiteKey& place);
  void read_ages();
  [[nodiscard]] double scan_interval(double cost) const;
  void scan_ages();
  void add_ages_of_ranges(std::uint64_t now,
                          std::unordered_map<std::uint32_t, PythonHeap>& pythons);
  struct OutstandingBlock {
    leakbpf_block_key place;
    leakbpf_block block;
  };
  void begin_ages();
  void add_age(const SiteKey& key, std::uint64_t age_ns, std::uint64_t bytes, double weight);
  void add_age(Site& site, std::uint64_t age_ns, std::uint64_t bytes, double weight) const;
  void add_age_of(const OutstandingBlock& each, std::uint64_t now_ns);
  [[nodiscard]] bool is_old(const leakbpf_block_key& place, const leakbpf_block& block) const;
  [[nodiscard]] bool is_limited(const leakbpf_block_key& place) const;
  void forget_given_back(const TargetState& target, const std::vector<OutstandingBlock>& blocks);
  void give_back(const OutstandingBlock& each);
  void forget_lost_pages(const TargetState& target, std::vector<OutstandingBlock>& pages);
  void forget_empty_pools(const PythonHeap& heap, const std::vector<PoolUse>& use);
  void look_at_python(TargetState& target, PythonHeap& heap);
  void find_survivors(const SurvivalMark& mark);
  void sample_targets(double now);
  void look_at_memory(TargetState& target, MemoryLimitSample& limits, HistoryPoint& point);
  void thin_history();
  [[nodiscard]] std::vector<SiteReport> site_rows(bool whole);
  void renew_trend(const SiteKey& key, Site& site, const TargetState& target, bool whole);
  [[nodiscard]] const Trend* trend_of_site(const SiteKey& key) const;
  [[nodiscard]] const SiteAges* ages_of(const SiteKey& key, const Site& site) const;
  void suppress(std::vector<SiteReport>& sites, bool whole, Suppressed& suppressed);
  [[nodiscard]] const Suppression* suppressed_by(const SiteReport& site);
  [[nodiscard]] bool has_last_names(const SiteReport& site, const Frames& frames) const;
  void weigh_sites(const std::vector<SiteReport>& sites, const leakbpf_counters& counters);
  void weigh_memory(const TargetState& target, TargetEvidence& evidence) const;
  void judge_targets(const std::vector<SiteReport>& sites, const leakbpf_counters& counters,
                     std::vector<TargetReport>& rows);
  [[nodiscard]] SiteEvidence evidence_of(const SiteReport& site) const;
  static void judge_briefly(SiteReport& row, const Trend& trend);
  void judge(SiteReport& site) const;
  [[nodiscard]] leakbpf_counters counters() const;
  [[nodiscard]] Losses losses_for_verdict(const leakbpf_counters& counters) const;
  void fill_host(Report& report, const leakbpf_counters& counters) const;
  void fill_cost(Report& report) const;
  void estimate(SiteReport& row, const TargetState& target) const;
  [[nodiscard]] bool filtered_out(const SiteReport& site);
  void drop_rows(std::vector<SiteReport>& sites, bool only_outstanding) const;
  [[nodiscard]] Frames frames_of(const SiteReport& site);
  [[nodiscard]] GroupFrame group_of(const SiteReport& site);
  [[nodiscard]] std::vector<TargetReport>
  target_rows(const std::vector<SiteReport>& sites,
              std::unordered_map<std::uint32_t, std::size_t>& index) const;
  [[nodiscard]] std::optional<PythonReport> python_report(const TargetState& target) const;
  void name_frames(SiteReport& site);

  const ProcFs& proc_;
  TraceOptions options_;
  BackendCheck backend_;
  KernelSide kernel_;
  std::unique_ptr<UnwindService> unwind_;
  Attachments attachments_;
  SeccompGuard seccomp_;
  HeapWindows windows_;
  Namer namer_;
  SourceLines sources_;
  std::unordered_map<std::uint64_t, GroupFrame> groups_; ///< by the hash of a stack's places
  Clock::time_point started_;
  std::string started_at_;
  std::map<std::uint32_t, TargetState> targets_;      ///< by id, those that ended too
  AttachSummary begin_;                               ///< of all targets there were at first
  bool share_all_ = false;                            ///< no target has probes of its own
  std::vector<double> owners_lately_;                 ///< when targets with such began
  std::set<std::pair<pid_t, std::uint64_t>> refused_; ///< PID and start of who cannot be traced
  double next_target_scan_ = 0;
  std::vector<std::uint32_t> looked_at_; ///< targets whose /proc was read for the present sample
  std::uint32_t last_looked_at_ = 0;
  std::deque<Pending> pending_;
  std::vector<leakbpf_event> new_stacks_;                ///< to be looked at
  std::unordered_map<SiteKey, Site, SiteKeyHash> sites_; ///< of all kinds, as sampled last
  /// By what the kernel calls them. Sites stay where they are until the end.
  std::unordered_map<SiteKey, Site*, SiteKeyHash> site_of_;
  /// What the kernel told last, in its order; null: it has to be looked up.
  std::vector<std::pair<SiteKey, Site*>> last_read_;
  bool any_unfinished_ = false;        ///< of the targets' windows
  std::optional<double> survival_age_; ///< seconds; of SiteAges::old_survival_percent
  /// What sites counted that the kernel side was told to forget.
  std::unordered_map<SiteKey, SiteTotals, SiteKeyHash> retired_;
  /// Python's pools that were found empty, and blocks and pages that were found to be gone, which
  /// the kernel side does not know of.
  std::unordered_map<SiteKey, SiteTotals, SiteKeyHash> given_back_;
  /// What to add to sites for the small objects that they hold, or that others hold in their pools.
  std::unordered_map<SiteKey, SiteTotals, SiteKeyHash> held_;
  double next_age_scan_ = 0;
  std::uint64_t scanned_windows_ = 0; ///< what windows_.ended() was at the last scan
  GrowthRecord growth_;
  std::unordered_map<std::uint32_t, TargetEvidence> evidence_; ///< what targets were judged by
  std::unordered_map<std::uint64_t, const Suppression*> suppressed_; ///< by the hash of the places
  std::unordered_map<std::uint64_t, bool> filtered_;                 ///< likewise
  std::unordered_map<std::uint32_t, double> suppressed_rates_;       ///< by target, bytes a second
  MemoryLimits limits_;
  std::vector<HistoryPoint> history_;
  std::size_t history_stride_ = 1;
  std::size_t samples_ = 0;
  bool frozen_ = false;
  std::unordered_map<std::uint64_t, LocatedStack> stacks_; ///< by the hash of their places
  /// The kernel's hash -> that of the places: the same frames have several in the kernel, when
  /// mappings changed or a walk was finished here.
  std::unordered_map<std::uint64_t, std::uint64_t> places_of_;
  std::unordered_map<std::uint64_t, HeapBacking> backings_; ///< by the hash of the places
  std::unordered_set<std::uint64_t> reserved_stacks_;       ///< that map what cannot be written yet
  std::vector<FinishedStack> finished_;                     ///< of targets that are not known yet
  std::array<std::uint64_t, LEAKBPF_LOSS_COUNT> own_losses_{}; ///< found in user space
};

} // namespace leakbpf
