// SPDX-License-Identifier: Apache-2.0
// What probes cost a process: hits, times what one hit takes. A figure from a loop in leakbpf's own
// process comes first. In a real program, whose caches the kernel's entry and our programs cool, a
// hit takes more: traps are charged to the process as system time, so what it takes more of that
// while probed, for the same work done (its user time), is their cost; with some user time, since
// the program finds its own caches cold, too.
#pragma once

namespace leakbpf {

/// CPU time that a process took, in seconds.
struct CpuTimes {
  double user = 0;
  double system = 0;

  CpuTimes& operator+=(const CpuTimes& more) {
    user += more.user;
    system += more.system;
    return *this;
  }
  friend CpuTimes operator-(const CpuTimes& a, const CpuTimes& b) {
    return {a.user - b.user, a.system - b.system};
  }
};

/// What probes did.
struct ProbeWork {
  double hits = 0;
  double following_seconds = 0; ///< what following blocks took beyond the hits: stack walks, tables

  ProbeWork& operator+=(const ProbeWork& more) {
    hits += more.hits;
    following_seconds += more.following_seconds;
    return *this;
  }
  friend ProbeWork operator-(const ProbeWork& a, const ProbeWork& b) {
    return {a.hits - b.hits, a.following_seconds - b.following_seconds};
  }
};

/// Bounds what a process is said to pay for probes by the CPU time that it took: nothing can cost
/// more. CPU times come in ticks, so that a little is carried over from one stretch to the next.
class CostBound {
public:
  /// `cost` seconds, by the model, of a stretch in which the process took `taken` (both kinds).
  /// Returns what of it, and of what was carried over, can be.
  [[nodiscard]] double bounded(double cost, double taken);

private:
  double cost_left_ = 0;  ///< not accounted for yet
  double taken_left_ = 0; ///< nothing was accounted to it yet
};

class CostMeter {
public:
  /// `loop_hit_seconds`: one hit in a loop.
  explicit CostMeter(double loop_hit_seconds);

  /// CPU time taken without probes.
  void add_free(const CpuTimes& taken);
  /// CPU time taken with probes, and what these did meanwhile.
  void add_probed(const CpuTimes& taken, const ProbeWork& work);

  /// Seconds that a hit costs the process.
  [[nodiscard]] double hit_seconds() const;
  /// Seconds that such work costs it.
  [[nodiscard]] double cost_seconds(const ProbeWork& work) const;
  /// That part of a cost which shows as user time.
  [[nodiscard]] static double user_part(double cost_seconds);
  /// The process's own system time corrects the loop's figure.
  [[nodiscard]] bool is_corrected() const;

private:
  void fade();

  double loop_hit_seconds_;
  CpuTimes free_; ///< sums in which what is older counts less
  CpuTimes probed_;
  ProbeWork work_; ///< within probed_
};

} // namespace leakbpf
