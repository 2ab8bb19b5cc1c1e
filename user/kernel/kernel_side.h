// SPDX-License-Identifier: Apache-2.0
// The loaded BPF programs and their maps.
#pragma once

#include "kernel/attach.h"
#include "kernel/page_faults.h"
#include "kernel/unwind_maps.h"
#include "plan/probe_plan.h"

#include <leakbpf/abi.h>

#include <functional>
#include <memory>
#include <optional>

struct leakbpf_bpf;

namespace leakbpf {

struct KernelConfig {
  Backend backend = Backend::perf;
  std::uint32_t max_live = 1 << 20; ///< outstanding blocks that can be followed
  std::uint32_t max_stacks = 1 << 15;
  std::uint32_t max_frames = LEAKBPF_MAX_FRAMES;
  std::uint64_t min_size = 0;
  std::uint64_t max_size = ~0ULL;
  bool follow_forks = true;
  bool watch = false;             ///< tell of every program that starts
  bool heap = true;               ///< probe the heap functions
  bool mmap = true;               ///< probe mmap, munmap, mremap
  bool brk = true;                ///< probe brk and sbrk
  bool python = true;             ///< probe Python's allocator of small objects
  bool pages = false;             ///< follow a sample of the pages, by page faults
  bool pages_on_demand = false;   ///< or be able to, of those that follow_pages_of() is asked for
  std::uint64_t sample_bytes = 1; ///< mean between samples of the heap; 1: every block is followed
  bool windows = false;           ///< windows may open and close (leakbpf_window)
};

struct SiteSample {
  leakbpf_site_key key{};
  leakbpf_site_totals totals{}; ///< summed over CPUs; young ones: of the latest window
};

class KernelSide {
public:
  [[nodiscard]] static Result<KernelSide> load(const KernelConfig& config);
  KernelSide(KernelSide&&) noexcept;
  KernelSide& operator=(KernelSide&&) noexcept;
  ~KernelSide();

  /// What follow_page_faults() needs, where it was opened with rights that are given up before
  /// that.
  void keep_page_faults(PageFaults opened);
  /// From here on page faults are seen; config.pages or pages_on_demand was set.
  [[nodiscard]] Result<void> follow_page_faults();
  /// From here on a sample of the pages of this target is followed, as with config.pages of all.
  /// False: it has ended.
  [[nodiscard]] bool follow_pages_of(pid_t pid) const;

  /// How many of the plan's probes are of kinds that are followed.
  [[nodiscard]] std::size_t wanted_probes(const ProbePlan& plan) const;
  /// Attaches to every heap function of `plan` in process `pid`, or, with every_process, wherever
  /// the file is mapped: then targets that share probes hit them, and no others. What frees memory
  /// is attached before what takes it, so that no block is seen to be born whose end is missed.
  [[nodiscard]] Result<std::vector<Link>> attach_heap(const ProbePlan& plan, pid_t pid) const;
  /// The same for what begins new pools of Python's.
  [[nodiscard]] Result<std::vector<Link>> attach_pools(const ProbePlan& plan, pid_t pid) const;
  /// The same for what maps memory.
  [[nodiscard]] Result<std::vector<Link>> attach_mapping_calls(const ProbePlan& plan,
                                                               pid_t pid) const;

  /// From here on the process counts, its heap while the window `window` is open; its stacks have
  /// Python frames when `python` says where these are. Returns its target id. Fails when the table
  /// is full.
  /// `shared`: it hits the probes that are for every process, not those of its own.
  [[nodiscard]] Result<std::uint32_t> start_target(pid_t pid, std::uint32_t window, bool shared,
                                                   const leakbpf_python* python);
  /// From here on a target shares probes, in the window `window`. False when it is none.
  [[nodiscard]] bool share_target(pid_t pid, std::uint32_t window) const;
  /// Opens or, with number 0, closes a window; `index` is below LEAKBPF_WINDOWS.
  void set_window(std::uint32_t index, const leakbpf_window& window) const;
  /// The target's present id, which exec changes; nothing when it is not traced (any more).
  [[nodiscard]] std::optional<std::uint32_t> target_id(pid_t pid) const;
  /// From here on stacks of target `id` have Python frames. False: no room for one more.
  [[nodiscard]] bool put_python(std::uint32_t id, const leakbpf_python& python) const;
  /// From here on nothing of the process counts.
  void stop_target(pid_t pid) const;

  [[nodiscard]] std::vector<SiteSample> read_sites() const;
  /// Frees the room of a site, and returns what it counted. Its stack stays.
  [[nodiscard]] std::optional<SiteSample> take_totals(const leakbpf_site_key& key) const;
  void forget_stack(std::uint64_t hash) const;
  /// Room for so many stacks.
  [[nodiscard]] std::uint32_t max_stacks() const;
  /// Program counters, innermost first, and how the walk ended (leakbpf_stack_end).
  [[nodiscard]] std::optional<leakbpf_stack> read_stack(std::uint64_t hash) const;
  [[nodiscard]] leakbpf_counters read_counters() const;
  /// What the target did, and others whose ids share its slot, summed over CPUs; about right.
  [[nodiscard]] leakbpf_activity activity(std::uint32_t target) const;
  /// The same of all targets there ever were.
  [[nodiscard]] leakbpf_activity total_activity() const;
  /// Of all slots (LEAKBPF_ACTIVITY_SLOTS), and, behind them, of processes that are no targets and
  /// hit shared probes.
  [[nodiscard]] std::vector<leakbpf_activity> activities() const;

  /// Visits every outstanding heap block; blocks that come and go meanwhile may be missed. Returns
  /// how many were visited.
  std::size_t each_block(
      const std::function<void(const leakbpf_block_key&, const leakbpf_block&)>& visit) const;
  [[nodiscard]] std::optional<leakbpf_block> block_at(const leakbpf_block_key& key) const;
  /// Takes a block that was given back unseen out of the table: the one that was taken at
  /// `time_ns`. Nothing when there is none, or another by now.
  [[nodiscard]] std::optional<leakbpf_block> take_block(const leakbpf_block_key& key,
                                                        std::uint64_t time_ns) const;
  /// Frees the room of a block of a target that has ended.
  void forget_block(const leakbpf_block_key& key) const;

  /// The unwinder's maps; not to be used after this object's end.
  [[nodiscard]] UnwindMaps unwind_maps() const;
  /// Follows changes of the files that `pid` has mapped, at this place of its dynamic linker.
  [[nodiscard]] Result<std::vector<Link>>
  attach_mappings_probe(const std::string& path, std::uint64_t file_offset, pid_t pid) const;

  /// Attaches to the function that frees Python's code objects.
  [[nodiscard]] Result<std::vector<Link>>
  attach_code_probe(const std::string& path, std::uint64_t file_offset, pid_t pid) const;
  /// Attaches to the function in which Python's garbage collector works.
  [[nodiscard]] Result<std::vector<Link>>
  attach_collector(const std::string& path, std::uint64_t file_offset, pid_t pid) const;
  /// What it did since then; nothing when it has not run.
  [[nodiscard]] std::optional<leakbpf_collections> collections(std::uint32_t target) const;
  /// The target has ended: the kernel side need not remember.
  void forget_collections(std::uint32_t target) const;
  /// The state of Python's allocator that the first new pool's function was given.
  [[nodiscard]] std::optional<std::uint64_t> python_heap(std::uint32_t target) const;
  /// How often code objects at addresses like this one died (leakbpf/python_abi.h).
  [[nodiscard]] std::uint32_t code_deaths(std::uint32_t target, std::uint64_t address) const;

  /// A descriptor that polls readable when there are events.
  [[nodiscard]] int events_fd() const;
  /// Hands over the events there are, in order.
  void consume_events(const std::function<void(const leakbpf_event&)>& handle) const;

private:
  /// False: it has ended.
  [[nodiscard]] bool change_target(pid_t pid,
                                   const std::function<void(leakbpf_target&)>& change) const;
  [[nodiscard]] Result<void> attach_those(const ProbePlan& plan, pid_t pid,
                                          const ProgramSet& programs,
                                          const std::function<bool(const PlannedProbe&)>& wanted,
                                          std::vector<Link>& links) const;
  [[nodiscard]] Result<std::vector<Link>> attach_hook(const ProgramSet& programs,
                                                      const std::string& path,
                                                      std::uint64_t file_offset, pid_t pid) const;

  struct Impl;
  explicit KernelSide(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

} // namespace leakbpf
