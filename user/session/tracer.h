// SPDX-License-Identifier: Apache-2.0
// Traces processes: attaches, follows their life, samples what is outstanding, and reports it.
#pragma once

#include "core/common_paths.h"
#include "core/ended_rows.h"
#include "core/ended_targets.h"
#include "core/grouping.h"
#include "core/growth_record.h"
#include "core/ranking.h"
#include "core/reconcile.h"
#include "core/report.h"
#include "core/suppressions.h"
#include "core/verdict.h"
#include "kernel/features.h"
#include "python/pools.h"
#include "session/attachments.h"
#include "session/hash_list.h"
#include "session/heap_room_watch.h"
#include "session/heap_windows.h"
#include "session/held_watches.h"
#include "session/python_heap.h"
#include "session/reach_watch.h"
#include "session/seccomp_guard.h"
#include "session/target_memory.h"
#include "session/target_state.h"
#include "session/tracing.h"
#include "symbol/namer.h"
#include "symbol/source_lines.h"
#include "target/memory_limit.h"
#include "target/selection.h"
#include "unwind/unwind_service.h"

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
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
  bool python = true;          ///< show Python frames
  bool held = true;            ///< find containers of Python's that grow
  bool show_keys = false;      ///< of containers: they are data of whoever uses the target
  bool reach = false;          ///< look who has pointers to blocks,
  bool reach_if_cheap = false; ///< or only in processes that are small
  CostLimits limits;
  double min_age_seconds = 0;
  GroupBy group_by = GroupBy::stack; ///< what the rows of `report` are
  Suppressions suppressions;         ///< stacks that are counted, and not shown
  std::optional<Pattern> filter;     ///< rows whose stack matches; none: all
  SeccompGuard::Check check_seccomp = leakbpf::check_seccomp;
  /// Called when the way to attach is known, before there are threads.
  std::function<void(Backend)> backend_chosen = [](Backend /*backend*/) {};
  /// Called once when everything is attached, before that is told.
  std::function<void()> attached = [] {};
  /// Called with things worth telling while tracing goes on (a child that cannot be followed).
  std::function<void(const std::string&)> warn = [](const std::string&) {};
  std::function<void(const std::string&)> inform = [](const std::string&) {};
};

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
  [[nodiscard]] Extent extent() const { return {targets_.size(), sites_.size(), kernel_sites_}; }

private:
  using Clock = std::chrono::steady_clock;
  struct Pending {
    double due = 0;
    pid_t pid = 0;
  };

  Tracer(const ProcFs& proc, TraceOptions options, BackendCheck backend, KernelSide kernel,
         std::unique_ptr<UnwindService> unwind);

  static Result<void> follow_asked_pages(KernelSide& kernel, TraceOptions& options);
  Result<void> follow_all(const std::vector<pid_t>& pids);
  void tell_failure(pid_t pid, const Error& error);
  bool count_unattached(pid_t pid, const Error& error);
  void tell_left_out(std::size_t all) const;
  void tell_begin();
  [[nodiscard]] bool should_share();
  HeapWindows::Index join_group(pid_t pid);
  [[nodiscard]] HeapWindows::Index group_of_child(pid_t pid, const TargetState* parent);
  Result<void> follow(pid_t pid, bool named);
  Result<AttachSummary> attach_to(pid_t pid, std::span<const Mapping> mappings,
                                  const PythonSearch& python);
  void inform_of_tables();
  void note_changed_files();
  TargetState& add_target(std::uint32_t id, pid_t pid, std::uint32_t group,
                          std::optional<std::uint64_t> start_stack, PythonSearch python = {});
  TargetState* find_target(std::uint32_t id);
  void follow_events();
  void handle(const leakbpf_event& event);
  void on_new_stack(const leakbpf_event& event);
  void take_finished_stacks();
  using FileId = Attachments::FileId;
  std::optional<leakbpf_mapped_code> walked_code(std::uint32_t space, std::uint64_t pc);
  std::string path_of_walked(const TargetState& target, const FileId& file);
  struct WalkedMappings {
    std::vector<Mapping> unknown; ///< where nothing else is known
    std::vector<Mapping> others;  ///< where other files lie now
  };
  WalkedMappings walked_mappings(const TargetState& target, const leakbpf_stack& stack);
  LocatedStack locate_walked(TargetState& target, const leakbpf_stack& stack);
  bool remember(TargetState& target, std::uint64_t hash, const leakbpf_stack& stack);
  void settle_end(LocatedStack& stack);
  [[nodiscard]] SiteKey by_place(SiteKey key);
  void forget_mapped_block(const TargetState& target, const leakbpf_event& event);
  void on_fork(const leakbpf_event& event);
  void on_exec(const leakbpf_event& event);
  void on_exit(std::uint32_t id, std::string how);
  void take_probes_out(TargetState& target);
  void keep_collections(TargetState& target);
  void end_target(TargetState& target, std::string how);
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
  [[nodiscard]] std::size_t living_targets() const { return living_; }
  [[nodiscard]] bool has_ended(std::uint32_t target) const;
  [[nodiscard]] bool has_last_ages(std::uint32_t target) const;
  void forget_blocks_of_ended(const std::vector<leakbpf_block_key>& blocks);
  void retire_ended(const std::vector<SiteSample>& samples);
  [[nodiscard]] bool stays_in_kernel(const SiteSample& sample);
  void retire(const SiteSample& sample);
  void settle_ended();
  using SitesByTarget = std::map<std::uint32_t, std::vector<SiteKey>>;
  [[nodiscard]] SitesByTarget settling();
  [[nodiscard]] EndedTarget settle(TargetState& target, const std::vector<SiteKey>& sites,
                                   const leakbpf_counters& counters, const Losses& losses);
  void keep_stack(const TargetState& target, const SiteKey& key);
  void drop_settled(const SitesByTarget& settled);
  void evict_targets();
  void forget_unused_stacks();
  [[nodiscard]] std::string read_maps(const TargetState& target) const;
  void refresh_mappings(TargetState& target);
  Result<void> allow_probes(const ProcessInfo& process);
  bool may_be_probed(TargetState& target);
  void look_for_python(TargetState& target, std::span<const Mapping> mappings);
  void take_python(TargetState& target, PythonSearch search);
  [[nodiscard]] LocatedStack locate(const TargetState& target, const AddressSpace& space,
                                    const leakbpf_stack& stack);
  [[nodiscard]] bool is_news(const TargetState& target) const;
  void put_site(const TargetState& target, const SiteKey& key, const SiteTotals& totals);
  /// A key that nothing counts for any more has totals of 0.
  struct Site {
    SiteTotals totals;
    std::uint64_t withheld_bytes = 0; ///< that the last window's blocks may stand for, too
    std::unique_ptr<Trend> trend;     ///< where there was anything outstanding
    std::size_t trend_of = 0;         ///< what growth_.kept_samples() was when it was made
    std::uint64_t trend_bytes = 0;    ///< that were outstanding then
    std::unique_ptr<SiteAges> ages;   ///< where blocks were found
    bool grew = false;                ///< something was outstanding at some time

    [[nodiscard]] bool is_known() const { return totals != SiteTotals{}; }
  };
  void note_windows();
  void read_sites();
  [[nodiscard]] Site& site_of(const SiteKey& kernel_key);
  /// What the kernel told of a site, and where that is counted; null: it has to be looked up.
  struct ReadSite {
    SiteKey key;
    Site* site = nullptr;
    std::uint64_t allocated_count = 0; ///< as the kernel has it
  };
  [[nodiscard]] std::vector<std::size_t> add_sites(const std::vector<SiteSample>& samples);
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
  [[nodiscard]] bool is_weighed(const SiteKey& key) const;
  void make_room(const std::vector<SiteSample>& samples, const std::vector<std::size_t>& idle);
  [[nodiscard]] HashList busy_stacks(const std::vector<SiteSample>& samples,
                                     const std::vector<bool>& may_go) const;
  void add_stacks_of_ranges(HashList& stacks) const;
  [[nodiscard]] bool may_come_back_whole(const SiteSample& sample) const;
  bool forget_site(const SiteSample& sample);
  void forget_stack(std::uint64_t hash);
  void forget_places(const std::vector<SiteSample>& samples);
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
  void look_for_room(const TargetState& target, double now);
  [[nodiscard]] std::uint64_t outstanding_in_heap(std::uint32_t target) const;
  void look_for_unexplained(TargetState& target, double now, std::uint64_t outstanding_bytes);
  [[nodiscard]] bool can_afford_pages(double now) const;
  bool turn_to_pages(double now);
  [[nodiscard]] bool has_rows_of_pages(const TargetState& target) const;
  void drop_explained_pages(std::vector<SiteReport>& sites);
  void forget_empty_pools(const PythonHeap& heap, const std::vector<PoolUse>& use);
  void look_at_python(TargetState& target, PythonHeap& heap);
  void find_survivors(const SurvivalMark& mark);
  void sample_targets(double now);
  void look_at_memory(TargetState& target, MemoryLimitSample& limits, HistoryPoint& point);
  [[nodiscard]] std::vector<SiteReport> site_rows(bool whole);
  [[nodiscard]] SiteReport row_of(const SiteKey& key, const Site& site, const TargetState& target);
  void renew_trend(const SiteKey& key, Site& site, const TargetState& target, bool whole);
  [[nodiscard]] const Trend* trend_of_site(const SiteKey& key) const;
  [[nodiscard]] const SiteAges* ages_of(const SiteKey& key, const Site& site) const;
  void suppress(std::vector<SiteReport>& sites, bool whole, Suppressed& suppressed);
  [[nodiscard]] const Suppression* suppressed_by(const SiteReport& site);
  [[nodiscard]] const Suppression* hidden_by(const SiteReport& site, bool grows, bool whole);
  [[nodiscard]] bool has_last_names(const SiteReport& site, const Frames& frames) const;
  void weigh(const SiteReport& site);
  void weigh_sites(const std::vector<SiteReport>& sites, const leakbpf_counters& counters);
  void weigh_replaced(std::uint32_t id, TargetEvidence& evidence,
                      const leakbpf_counters& counters) const;
  void weigh_memory(const TargetState& target, TargetEvidence& evidence) const;
  void judge_targets(const std::vector<SiteReport>& sites, const leakbpf_counters& counters,
                     std::vector<TargetReport>& rows);
  void judge_target_row(const TargetState& target, const Losses& losses, TargetReport& row);
  [[nodiscard]] SiteEvidence evidence_of(const SiteReport& site) const;
  static void judge_briefly(SiteReport& row, const Trend& trend);
  void judge(SiteReport& site) const;
  [[nodiscard]] leakbpf_counters counters() const;
  [[nodiscard]] Losses losses_for_verdict(const leakbpf_counters& counters) const;
  void fill_host(Report& report, const leakbpf_counters& counters) const;
  void fill_cost(Report& report) const;
  [[nodiscard]] static Overhead overhead_of(const TracingCost& cost);
  void estimate(SiteReport& row, const TargetState& target) const;
  void add_window_error(SiteReport& row, const Site& site, const TargetState& target) const;
  [[nodiscard]] bool filtered_out(const SiteReport& site);
  [[nodiscard]] Frames frames_of(const SiteReport& site);
  [[nodiscard]] GroupFrame group_of(const SiteReport& site);
  [[nodiscard]] std::string comm_of(std::uint32_t target) const;
  using TargetIndex = std::unordered_map<std::uint32_t, std::size_t>; ///< in Report::targets
  [[nodiscard]] std::vector<SiteReport> living_rows(Report& report, bool whole, TargetIndex& index);
  [[nodiscard]] bool is_dropped(const SiteReport& site, bool only_outstanding) const;
  [[nodiscard]] std::optional<SiteReport>
  ended_row(const EndedTarget& target, const EndedSite& site, bool whole, Suppressed& suppressed);
  [[nodiscard]] TargetReport ended_report(const EndedTarget& target) const;
  void add_all_ended(Report& report, std::vector<SiteReport>& sites, TargetIndex& index);
  void add_worst_ended(Report& report, std::size_t rows, const SiteOrder& order,
                       TargetIndex& index);
  [[nodiscard]] std::vector<SiteReport> grouped(std::vector<SiteReport> sites, bool whole);
  void measure_resident(std::vector<SiteReport>& sites);
  void finish_rows(Report& report, TargetIndex& index);
  [[nodiscard]] std::vector<TargetReport> target_rows(const std::vector<SiteReport>& sites,
                                                      TargetIndex& index) const;
  [[nodiscard]] TargetReport target_row(const TargetState& target, const SiteTotals& totals) const;
  void look_for_holders();
  [[nodiscard]] bool may_be_reached(std::uint32_t id) const;
  [[nodiscard]] std::vector<SiteKey> sites_to_reach(std::uint32_t& of) const;
  [[nodiscard]] std::vector<ReachWatch::Question>
  blocks_to_reach(const std::vector<SiteKey>& sites);
  void watch_containers(const TargetState& target);
  void find_holders(Suppressed& suppressed);
  [[nodiscard]] double sites_rate(std::uint32_t id) const;
  void weigh_holders();
  void prove_lines(const TargetState& target, HeldFinding& finding);
  [[nodiscard]] Frames python_lines_at(const TargetState& target, std::uint64_t block);
  void put_behind(const Report& report, std::vector<SiteReport>& sites,
                  const TargetIndex& index) const;
  void add_holders(Report& report, const TargetIndex& index);
  [[nodiscard]] std::optional<PythonReport> python_report(const TargetState& target) const;
  [[nodiscard]] std::vector<SiteReport>
  what_comes_and_goes(const std::unordered_set<std::uint32_t>& targets) const;
  [[nodiscard]] MeasuredMemory measured_memory(const TargetState& target) const;
  void compare_paths(const std::vector<SiteReport>& sites);
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
  CommonPaths common_paths_;                             ///< as reported last
  std::unordered_map<std::uint64_t, GroupFrame> groups_; ///< by the hash of a stack's places
  Clock::time_point started_;
  std::string started_at_;
  std::map<std::uint32_t, TargetState> targets_; ///< by id, until they are settled
  std::size_t living_ = 0;                       ///< of them
  EndedTargets ended_;                           ///< all others there were
  EndedRows ended_rows_;
  std::set<HeapWindows::Index> groups_used_; ///< by any target
  AttachSummary begin_;                      ///< of all targets there were at first
  bool share_all_ = false;                   ///< no target has probes of its own
  std::vector<double> owners_lately_;        ///< when targets with such began
  /// PID and start of who cannot be traced -> how often that was tried.
  std::map<std::pair<pid_t, std::uint64_t>, int> refused_;
  std::set<pid_t> unattached_; ///< that no descriptors were left for
  double next_target_scan_ = 0;
  std::vector<std::uint32_t> looked_at_; ///< targets whose /proc was read for the present sample
  std::uint32_t last_looked_at_ = 0;
  std::deque<Pending> pending_;
  std::vector<leakbpf_event> new_stacks_;                ///< to be looked at
  std::unordered_map<SiteKey, Site, SiteKeyHash> sites_; ///< of all kinds, as sampled last
  /// By what the kernel calls them. Sites stay where they are until the end.
  std::unordered_map<SiteKey, Site*, SiteKeyHash> site_of_;
  /// What the kernel told last, in its order.
  std::vector<ReadSite> last_read_;
  std::size_t kernel_sites_ = 0;       ///< as sampled last
  std::size_t kept_sites_ = 0;         ///< that were left in the kernel when room was made
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
  double next_window_scan_ = 0;       ///< the soonest, though a window has ended
  std::uint64_t scanned_windows_ = 0; ///< what windows_.ended() was at the last scan
  GrowthRecord growth_;
  std::unordered_map<std::uint32_t, TargetEvidence> evidence_; ///< what targets were judged by
  std::unordered_map<std::uint64_t, const Suppression*> suppressed_; ///< by the hash of the places
  std::unordered_map<std::uint64_t, bool> filtered_;                 ///< likewise
  std::unordered_map<std::uint32_t, double> suppressed_rates_;       ///< by target, bytes a second
  HeldWatches holders_;
  ReachWatch reach_;
  HeapRoomWatch rooms_;
  std::uint32_t last_reached_ = 0;                                  ///< target
  std::map<std::uint32_t, std::vector<HeldFinding>> found_holders_; ///< by target, for a report
  MemoryLimits limits_;
  MemoryHistory history_;
  bool frozen_ = false;
  bool sees_page_faults_ = false;
  double next_pages_try_ = 0;
  std::unordered_map<std::uint64_t, LocatedStack> stacks_; ///< by the hash of their places
  /// The kernel's hash -> that of the places: the same frames have several in the kernel, when
  /// mappings changed or a walk was finished here.
  std::unordered_map<std::uint64_t, std::uint64_t> places_of_;
  std::unordered_map<std::uint64_t, HeapBacking> backings_; ///< by the hash of the places
  std::unordered_map<std::uint64_t, leakbpf_mapped_code> walked_codes_; ///< by space and block
  /// By find_beside(), of a target; "": not found.
  std::map<std::pair<std::uint32_t, FileId>, std::string> found_files_;
  std::unordered_set<std::uint64_t> reserved_stacks_; ///< that map what cannot be written yet
  std::vector<std::uint64_t> forgotten_stacks_; ///< the kernel's hashes, places_of_ still has them
  std::vector<std::uint64_t> ended_stacks_; ///< of ranges of settled targets, the kernel's hashes
  std::vector<FinishedStack> finished_;     ///< of targets that are not known yet
  std::array<std::uint64_t, LEAKBPF_LOSS_COUNT> own_losses_{}; ///< found in user space
  std::set<std::string> changed_files_;                        ///< that were told of
};

} // namespace leakbpf
