// SPDX-License-Identifier: Apache-2.0
// What the commands need of whatever follows processes: a Tracer, by probes, or HeldTracing, which
// only reads.
#pragma once

#include "core/ranking.h"
#include "core/report.h"

#include <cstddef>
#include <string>

#include <sys/types.h>

namespace leakbpf {

class Tracing {
public:
  Tracing() = default;
  Tracing(const Tracing&) = delete;
  Tracing& operator=(const Tracing&) = delete;
  virtual ~Tracing() = default;

  /// Seconds since it started.
  [[nodiscard]] virtual double elapsed() const = 0;
  /// Follows the targets until `deadline` (in elapsed() seconds), or until `interrupt_fd` is
  /// readable, or until the last target ended. True when the deadline was reached.
  virtual bool run_until(double deadline, int interrupt_fd) = 0;
  [[nodiscard]] virtual bool all_ended() const = 0;
  /// Attaches to the allocator in a file that the target will map, if there is one in it.
  virtual void attach_file(pid_t pid, const std::string& path) = 0;
  /// False: no process that is wanted came.
  [[nodiscard]] virtual bool had_targets() const = 0;
  /// Reads what there is now and adds it to the histories.
  virtual void sample() = 0;
  /// The same, however long that takes.
  virtual void sample_whole() = 0;
  /// Lets go of every target, so that what is read next is one moment's truth.
  virtual void freeze() = 0;
  /// What was found so far: the `rows` sites that `order` puts first (0: all), of the kinds wanted,
  /// with names.
  [[nodiscard]] virtual Report report(std::size_t rows, const SiteOrder& order) = 0;
};

} // namespace leakbpf
