// SPDX-License-Identifier: Apache-2.0
// Answers what the kernel's walker asks for, on a thread of its own: a library that was opened this
// moment needs its table before its first allocations are many.
#pragma once

#include "base/unique_fd.h"
#include "unwind/late_stack.h"
#include "unwind/stack_finisher.h"
#include "unwind/table_loader.h"

#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

struct ring_buffer;

namespace leakbpf {

/// A stack that was finished after the fact.
struct FinishedStack {
  std::uint32_t target = 0;
  std::uint64_t hash = 0; ///< of the one allocation's site in the kernel
  leakbpf_stack stack{};
};

/// What two threads share has a lock each, which makes its members many.
class UnwindService {
public:
  /// Fails when the kernel gives no memory or descriptors for the buffer of requests.
  [[nodiscard]] static Result<std::unique_ptr<UnwindService>>
  start(const ProcFs& proc, UnwindMaps maps, std::uint32_t max_frames, TableMarker mark);
  UnwindService(const UnwindService&) = delete;
  UnwindService& operator=(const UnwindService&) = delete;
  ~UnwindService();

  /// Loads the tables of everything `pid` has mapped, before its probes are attached.
  void prepare(pid_t pid) { tables_.load_for(pid); }
  /// Loads the table of a file that a process is going to map.
  void prepare_file(const std::string& path) { tables_.load(path); }
  /// Tells the walker what `pid` has mapped, under the name of its address space.
  void describe_space(std::uint32_t space, pid_t pid);
  /// /proc/PID/maps as it was when the target's dynamic linker had last mapped something; empty:
  /// that was not seen.
  [[nodiscard]] std::string maps_seen(std::uint32_t target);
  /// Stacks that were finished since the last call.
  [[nodiscard]] std::vector<FinishedStack> take_finished();
  /// Handles every request that is there now, on the caller's thread.
  void drain();
  /// Readable when there are finished stacks.
  [[nodiscard]] int finished_fd() const { return finished_event_.get(); }
  [[nodiscard]] TableLoaderStats stats() { return tables_.stats(); }

private:
  struct RingCloser {
    void operator()(ring_buffer* ring) const;
  };

  /// What a process had mapped a moment ago.
  struct Seen {
    std::chrono::steady_clock::time_point when;
    std::uint32_t space = 0;
    std::vector<leakbpf_mapped_code> mapped;
  };

  UnwindService(const ProcFs& proc, UnwindMaps maps, std::uint32_t max_frames, TableMarker mark);
  void work();
  void describe(std::uint32_t space, std::span<const leakbpf_mapped_code> mapped);
  const std::vector<leakbpf_mapped_code>& mapped_by(const leakbpf_unwind_request& request,
                                                    bool has_stack);
  void handle(const leakbpf_unwind_request& request, bool has_stack);
  void see_maps(const leakbpf_unwind_request& request, bool again);
  void finish(const leakbpf_unwind_request& request, std::vector<std::uint8_t> memory,
              std::optional<LateRead> late, std::span<const leakbpf_mapped_code> mapped,
              leakbpf_stack& stack);
  static int on_record(void* context, void* data, std::size_t size);

  const ProcFs& proc_;
  UnwindMaps maps_;
  TableLoader tables_;
  LateStacks late_;
  std::uint32_t max_frames_;
  std::unique_ptr<ring_buffer, RingCloser> ring_;
  std::mutex ring_mutex_;
  std::map<std::uint32_t, Seen> seen_; ///< by target
  std::mutex maps_mutex_;
  std::map<std::uint32_t, std::string> maps_seen_; ///< by target
  std::mutex described_mutex_;
  std::map<std::uint32_t, std::set<std::uint64_t>> described_; ///< space -> starts of mappings
  std::mutex finished_mutex_;
  std::vector<FinishedStack> finished_;
  std::exception_ptr thrown_; ///< what ended the work; guarded as finished_
  UniqueFd finished_event_;
  UniqueFd stop_event_;
  std::thread thread_;
};

} // namespace leakbpf
