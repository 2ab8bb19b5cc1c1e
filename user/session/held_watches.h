// SPDX-License-Identifier: Apache-2.0
// What is read of the Python processes among the targets: containers that grow. Nothing is attached
// to them, and scans, and finding out about what grows, take leakbpf a percent of a core each at
// most, shared by all targets. Reading a large heap takes seconds, so it is done by a thread of its
// own, and events do not wait for it.
#pragma once

#include "held/held_watch.h"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace leakbpf {

class HeldWatches {
public:
  /// `clock` tells seconds, for any thread.
  HeldWatches(bool show_keys, std::function<double()> clock)
      : show_keys_(show_keys), clock_(std::move(clock)) {}
  HeldWatches(const HeldWatches&) = delete;
  HeldWatches& operator=(const HeldWatches&) = delete;
  /// Waits for what is being read.
  ~HeldWatches();

  /// What cannot be understood has no rows, and a reason.
  void add(const ProcFs& proc, std::uint32_t target, pid_t pid, const PythonProcess& python);
  /// The target has ended: what was found stays.
  void end(std::uint32_t target);
  /// It is remembered if there is anything to tell of it.
  void settle(std::uint32_t target);
  [[nodiscard]] bool has(std::uint32_t target) const;
  [[nodiscard]] std::vector<std::uint32_t> targets() const;
  /// Starts the thread, if there is anything to watch: once this process has no more rights and no
  /// more signals than the thread is to have.
  void start();
  /// Finds out about all that grows by now, whatever that costs.
  void explain_all();
  /// As known last while the target is being read. Throws std::bad_alloc when the thread ran out of
  /// memory.
  [[nodiscard]] std::vector<HeldFinding> findings(std::uint32_t target) const;
  /// Pieces of all heaps that could not be read at the last look at each.
  [[nodiscard]] std::uint64_t unread() const;
  /// Why nothing is known of the target; empty: it is watched.
  [[nodiscard]] std::string problem(std::uint32_t target) const;

private:
  struct Watched {
    std::mutex busy;                  ///< held while `watch` is used
    std::unique_ptr<HeldWatch> watch; ///< null: it is not understood, or has ended
    std::atomic<std::uint64_t> unread = 0;
    std::atomic<bool> living = false; ///< the thread has things to do for it
    std::string problem;
    double next_sample = 0; ///< these are the thread's
    double next_scan = 0;
    double next_explain = 0;
    unsigned scans = 0;
    std::vector<HeldFinding> last; ///< what was told of it last
  };
  using Shared = std::shared_ptr<Watched>;
  using Job = void (HeldWatches::*)(Watched&);

  void work();
  void work_until_stopped();
  [[nodiscard]] std::pair<Shared, Job> next_job(double now) const;
  [[nodiscard]] double next_due() const;
  void sample(Watched& watched);
  void scan(Watched& watched);
  void note_problem(Watched& watched);
  void explain(Watched& watched);
  [[nodiscard]] double pause_after(double cost) const;
  [[nodiscard]] Shared find(std::uint32_t target) const;

  bool show_keys_;
  std::function<double()> clock_;
  mutable std::mutex mutex_; ///< of what follows
  std::condition_variable wake_;
  bool stop_ = false;
  bool out_of_memory_ = false;
  std::map<std::uint32_t, Shared> watches_; ///< by target
  std::thread thread_;
};

} // namespace leakbpf
