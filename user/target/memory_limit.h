// SPDX-License-Identifier: Apache-2.0
// The limit that a growing process runs into: of its cgroup, else RLIMIT_AS, else RAM.
#pragma once

#include "core/report.h"
#include "target/memory_groups.h"
#include "target/proc_fs.h"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

namespace leakbpf {

/// MemoryLimit::source when nothing but the machine limits a process.
constexpr const char* ram_source = "RAM";

struct LimitState {
  MemoryLimit limit;
  std::uint64_t used = 0; ///< bytes that count against it, also those of other processes
  std::uint64_t left = 0; ///< bytes until it is reached

  friend bool operator==(const LimitState&, const LimitState&) = default;
};

/// Files outside of any process's folder in /proc.
struct MemoryFiles {
  std::string mountinfo = "/proc/self/mountinfo";
  std::string meminfo = "/proc/meminfo";
};

/// Knows where limits are found; reads them anew each time, for they can be changed.
class MemoryLimits {
public:
  /// `proc` must outlive it. Mounts are looked up once.
  explicit MemoryLimits(const ProcFs& proc, const MemoryFiles& files = {});

  /// The limit that binds `pid`:
  /// - the smallest cgroup limit of its group and the groups that it lies in, unless that is more
  ///   than RAM. Used is what the group is charged with, without the page cache that the kernel can
  ///   drop at no cost (inactive files), as kubelet counts a working set;
  /// - RLIMIT_AS, against which the virtual size counts. One larger than RAM only when less is left
  ///   of it than of RAM;
  /// - RAM; left is MemAvailable.
  /// Nothing when the process is gone or RAM is unknown.
  [[nodiscard]] std::optional<LimitState> read(pid_t pid) const;
  /// Bytes that the memory cgroup of `pid` is charged with, page cache and all; nothing when it is
  /// the root of v2, which has no account, or cannot be found.
  [[nodiscard]] std::optional<std::uint64_t> cgroup_usage(pid_t pid) const;

private:
  friend class MemoryLimitSample;
  const ProcFs& proc_;
  std::string meminfo_;
  MemoryHierarchy hierarchy_;
};

/// MemoryLimits for many processes at one moment: the figures that they share are read only once.
/// To be made anew for every interval. `limits` must outlive it.
class MemoryLimitSample {
public:
  explicit MemoryLimitSample(const MemoryLimits& limits) : limits_(limits) {}

  [[nodiscard]] std::optional<LimitState> read(pid_t pid);
  [[nodiscard]] std::optional<std::uint64_t> cgroup_usage(pid_t pid);

private:
  struct Ram {
    std::uint64_t total = 0;
    std::uint64_t available = 0;
  };
  struct GroupLimit {
    std::optional<std::uint64_t> bytes; ///< nothing: none that could bind
    bool inherited = true;              ///< it also binds the groups below
  };

  [[nodiscard]] const std::optional<Ram>& ram();
  [[nodiscard]] GroupLimit read_group_limit(const MemoryGroup& group, bool outermost);
  [[nodiscard]] std::optional<LimitState> cgroup_limit(pid_t pid);
  [[nodiscard]] std::optional<LimitState> address_space_limit(pid_t pid, const std::string& limits);

  const MemoryLimits& limits_;
  std::optional<std::optional<Ram>> ram_; ///< nothing: not read yet
  // By the directory of a group; nothing in it: it could not be read.
  std::unordered_map<std::string, GroupLimit> group_limits_;
  std::unordered_map<std::string, std::optional<std::uint64_t>> working_sets_;
  std::unordered_map<std::string, std::optional<std::uint64_t>> usages_;
};

} // namespace leakbpf
