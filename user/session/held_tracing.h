// SPDX-License-Identifier: Apache-2.0
// Follows Python processes by reading them alone: neither BPF nor a probe, on any kernel, for
// whoever may read their memory.
#pragma once

#include "core/growth_record.h"
#include "python/python_process.h"
#include "report/target_memory.h"
#include "session/held_watches.h"
#include "session/trace_options.h"
#include "session/tracing.h"
#include "symbol/source_lines.h"
#include "target/memory_limit.h"
#include "target/process.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace leakbpf {

class HeldTracing : public Tracing {
public:
  /// Fails when a process that was asked for is not there, may not be read, or has no Python that
  /// is understood.
  [[nodiscard]] static Result<std::unique_ptr<Tracing>> start(const ProcFs& proc,
                                                              TraceOptions options);

  [[nodiscard]] double elapsed() const override;
  bool run_until(double deadline, int interrupt_fd) override;
  [[nodiscard]] bool all_ended() const override;
  void attach_file(pid_t /*pid*/, const std::string& /*path*/) override {}
  [[nodiscard]] bool had_targets() const override { return !targets_.empty(); }
  void sample() override;
  void sample_whole() override { sample(); }
  void freeze() override { holders_.explain_all(); }
  [[nodiscard]] Report report(std::size_t rows, const SiteOrder& order) override;

private:
  struct Target {
    ProcessInfo process;
    double since = 0; ///< seconds
    PythonSearch python;
    std::optional<std::uint64_t> rss_start;
    std::optional<std::uint64_t> rss_now;
    std::optional<LimitState> limit;
    std::optional<TargetEnd> ended;
  };

  HeldTracing(const ProcFs& proc, TraceOptions options);
  Result<void> follow(pid_t pid, bool named);
  void look_for_targets();
  void look_for_python(std::uint32_t id, Target& target);
  [[nodiscard]] bool is_followed(pid_t pid) const;
  [[nodiscard]] HistoryPoint sample_target(std::uint32_t id, Target& target,
                                           MemoryLimitSample& limits, double now);
  void report_target(std::uint32_t id, const Target& target, Report& report);

  const ProcFs& proc_;
  TraceOptions options_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::string started_at_;
  std::map<std::uint32_t, Target> targets_; ///< by a number of their own
  std::uint32_t next_id_ = 1;
  double next_look_ = 0;
  HeldWatches holders_;
  GrowthRecord growth_;
  MemoryLimits limits_;
  SourceLines sources_;
  MemoryHistory history_;
};

} // namespace leakbpf
