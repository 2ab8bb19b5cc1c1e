// SPDX-License-Identifier: Apache-2.0
// The loaded BPF programs and their maps.
#pragma once

#include "core/site_table.h"
#include "kernel/attach.h"
#include "kernel/block_table.h"
#include "kernel/event_source.h"
#include "kernel/kernel_counts.h"
#include "kernel/page_faults.h"
#include "kernel/probe_control.h"
#include "kernel/stack_table.h"
#include "kernel/target_control.h"
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

/// One BPF object, behind as many interfaces as there are uses of it: nobody but Tracer sees all.
class KernelSide : public SiteTable,
                   public BlockTable,
                   public StackTable,
                   public ProbeControl,
                   public TargetControl,
                   public KernelCounts,
                   public EventSource {
public:
  [[nodiscard]] static Result<KernelSide> load(const KernelConfig& config);
  KernelSide(KernelSide&&) noexcept;
  KernelSide& operator=(KernelSide&&) noexcept;
  ~KernelSide() override;

  /// What follow_page_faults() needs, where it was opened with rights that are given up before
  /// that.
  void keep_page_faults(PageFaults opened);
  /// The unwinder's maps; not to be used after this object's end.
  [[nodiscard]] UnwindMaps unwind_maps() const;

  [[nodiscard]] std::vector<SiteSample> read_sites() const override;
  [[nodiscard]] std::optional<SiteSample> take_totals(const leakbpf_site_key& key) override;
  void forget_stack(std::uint64_t hash) override;
  [[nodiscard]] std::uint32_t max_stacks() const override;

  std::size_t each_block(const std::function<void(const leakbpf_block_key&, const leakbpf_block&)>&
                             visit) const override;
  [[nodiscard]] std::optional<leakbpf_block> block_at(const leakbpf_block_key& key) const override;
  [[nodiscard]] std::optional<leakbpf_block> take_block(const leakbpf_block_key& key,
                                                        std::uint64_t time_ns) override;
  void forget_block(const leakbpf_block_key& key) override;

  [[nodiscard]] std::optional<leakbpf_stack> read_stack(std::uint64_t hash) const override;
  [[nodiscard]] std::optional<leakbpf_mapped_code> code_at(std::uint32_t space,
                                                           std::uint64_t pc) const override;

  [[nodiscard]] std::size_t wanted_probes(const ProbePlan& plan) const override;
  [[nodiscard]] Result<std::vector<Link>> attach_heap(const ProbePlan& plan, pid_t pid) override;
  [[nodiscard]] Result<std::vector<Link>> attach_pools(const ProbePlan& plan, pid_t pid) override;
  [[nodiscard]] Result<std::vector<Link>> attach_mapping_calls(const ProbePlan& plan,
                                                               pid_t pid) override;
  [[nodiscard]] Result<std::vector<Link>>
  attach_mappings_probe(const std::string& path, std::uint64_t file_offset, pid_t pid) override;
  [[nodiscard]] Result<std::vector<Link>>
  attach_code_probe(const std::string& path, std::uint64_t file_offset, pid_t pid) override;
  [[nodiscard]] Result<std::vector<Link>>
  attach_collector(const std::string& path, std::uint64_t file_offset, pid_t pid) override;
  void set_window(std::uint32_t index, const leakbpf_window& window) override;

  [[nodiscard]] Result<std::uint32_t> start_target(pid_t pid, std::uint32_t window, bool shared,
                                                   const leakbpf_python* python) override;
  [[nodiscard]] bool share_target(pid_t pid, std::uint32_t window) override;
  [[nodiscard]] std::optional<std::uint32_t> target_id(pid_t pid) const override;
  [[nodiscard]] bool put_python(std::uint32_t id, const leakbpf_python& python) override;
  [[nodiscard]] Result<void> follow_page_faults() override;
  [[nodiscard]] bool follow_pages_of(pid_t pid) override;
  void stop_target(pid_t pid) override;

  [[nodiscard]] leakbpf_counters read_counters() const override;
  [[nodiscard]] leakbpf_activity activity(std::uint32_t target) const override;
  [[nodiscard]] leakbpf_activity total_activity() const override;
  [[nodiscard]] std::vector<leakbpf_activity> activities() const override;
  [[nodiscard]] std::optional<leakbpf_collections> collections(std::uint32_t target) const override;
  void forget_collections(std::uint32_t target) override;
  [[nodiscard]] std::optional<std::uint64_t> python_heap(std::uint32_t target) const override;
  [[nodiscard]] std::uint32_t code_deaths(std::uint32_t target,
                                          std::uint64_t address) const override;

  [[nodiscard]] int events_fd() const override;
  void consume_events(const std::function<void(const leakbpf_event&)>& handle) override;

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
