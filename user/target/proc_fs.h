// SPDX-License-Identifier: Apache-2.0
// Reads /proc. Everything that leakbpf learns of a process from files comes through here, so that
// tests can put a folder of their own in its place.
#pragma once

#include <leakbpf/result.h>

#include <cstdint>
#include <string>
#include <vector>

#include <sys/types.h>

namespace leakbpf {

/// One line of /proc/PID/maps.
struct Mapping {
  std::uint64_t start = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0; ///< of `start` in the file, bytes
  bool executable = false;
  std::uint64_t device = 0; ///< major << 32 | minor
  std::uint64_t inode = 0;  ///< 0: no file
  std::string path;         ///< as the target sees it; "[vdso]", "[heap]"; empty: anonymous
  bool deleted = false;     ///< the file was removed after it was mapped
  bool writable = false;
  bool shared = false; ///< with other processes, whatever is written

  friend bool operator==(const Mapping&, const Mapping&) = default;
};

/// The fields of /proc/PID/stat that leakbpf uses.
struct ProcessStat {
  std::string comm;
  char state = '?';
  pid_t ppid = 0;
  bool kernel_thread = false;
  std::uint64_t page_faults = 0; ///< of all its threads so far; not of its children
  std::uint64_t user_ticks = 0;
  std::uint64_t system_ticks = 0;
  unsigned threads = 1;          ///< those that ended but were not collected count, too
  std::uint64_t start_ticks = 0; ///< clock ticks after boot; with the PID it names one process
  std::uint64_t start_stack = 0; ///< address; another one for each program that the process runs;
                                 ///< 0: hidden, of a program that begins, or of one that has ended

  /// The main thread can end before the others do: the process goes on, and shows state Z.
  [[nodiscard]] bool has_ended() const { return state == 'X' || (state == 'Z' && threads <= 1); }
};

/// One line of /proc/PID/cgroup: where a process is in one hierarchy.
struct CgroupLine {
  std::string controllers; ///< of v1, separated by commas; empty: the unified hierarchy
  std::string path;

  friend bool operator==(const CgroupLine&, const CgroupLine&) = default;
};

class ProcFs {
public:
  explicit ProcFs(std::string root = "/proc") : root_(std::move(root)) {}

  /// Path of a file of process `pid` below this /proc.
  [[nodiscard]] std::string path(pid_t pid, const std::string& file) const;
  /// Path of a file of this /proc that belongs to no process, or to the reading one ("self/stat").
  [[nodiscard]] std::string path(const std::string& file) const { return root_ + "/" + file; }
  /// The PIDs of all processes, in ascending order.
  [[nodiscard]] std::vector<pid_t> processes() const;
  /// The PID of this program, as it stands in this /proc.
  [[nodiscard]] pid_t self() const;
  /// Whole text of /proc/PID/FILE. Fails with ExitCode::no_target when the process is gone.
  [[nodiscard]] Result<std::string> read(pid_t pid, const std::string& file) const;
  [[nodiscard]] Result<std::vector<Mapping>> mappings(pid_t pid) const;
  [[nodiscard]] Result<ProcessStat> stat(pid_t pid) const;
  /// Resident set size in bytes.
  [[nodiscard]] Result<std::uint64_t> resident_bytes(pid_t pid) const;
  /// Target of a symbolic link such as /proc/PID/exe; empty when it cannot be read.
  [[nodiscard]] std::string link(pid_t pid, const std::string& file) const;
  /// The arguments, as far as their first 128 KB hold them; none of a kernel thread.
  [[nodiscard]] std::vector<std::string> arguments(pid_t pid) const;
  /// These joined by blanks; empty for a kernel thread.
  [[nodiscard]] std::string command_line(pid_t pid) const;
  /// In the order of the kernel; damaged lines are left out.
  [[nodiscard]] std::vector<CgroupLine> cgroups(pid_t pid) const;
  /// Path of the memory controller's cgroup (v1), else of the unified one; empty when unknown.
  [[nodiscard]] std::string cgroup(pid_t pid) const;
  /// Seconds since the epoch at which the machine started; 0 when unknown.
  [[nodiscard]] std::uint64_t boot_time() const;

private:
  std::string root_;
};

/// Parses one line of /proc/PID/maps; end == 0 when it is damaged.
[[nodiscard]] Mapping parse_mapping(const std::string& line);
/// The lines of /proc/PID/maps; damaged ones are left out.
[[nodiscard]] std::vector<Mapping> parse_mappings(const std::string& text);

} // namespace leakbpf
