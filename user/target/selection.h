// SPDX-License-Identifier: Apache-2.0
// Which processes are to be traced: by PID, command line, cgroup, container, or all of them.
#pragma once

#include "core/pattern.h"
#include "target/cgroup_selector.h"
#include "target/proc_fs.h"

#include <string>
#include <vector>

namespace leakbpf {

/// As the command line asks for them. A process that one of these names is a target.
struct TargetRequest {
  std::vector<pid_t> pids;
  std::vector<std::string> names; ///< regular expressions, for command lines
  std::vector<std::string> cgroups;
  std::vector<std::string> containers; ///< ids, or how they begin
  bool all = false;
  bool children = false; ///< and the children of all these, and theirs, that there are already
};

class TargetSelection {
public:
  /// Selects nothing.
  TargetSelection() = default;
  /// Fails with ExitCode::no_target for a cgroup or container that does not exist, with
  /// ExitCode::usage for an id that may be that of several containers, and for a name that is no
  /// regular expression.
  [[nodiscard]] static Result<TargetSelection> resolve(const ProcFs& proc,
                                                       const TargetRequest& request);

  /// Process `pid` is one of those that are wanted: it may have started later, or have become it by
  /// exec. Only for a PID that was asked for itself this does not look whether it exists. Whose
  /// child it is does not count: children of targets are followed from their fork on.
  [[nodiscard]] bool matches(const ProcFs& proc, pid_t pid) const;
  /// All that match now: the PIDs that were asked for, in their order, then the others, then the
  /// children of both.
  [[nodiscard]] std::vector<pid_t> matching(const ProcFs& proc) const;
  /// Processes that do not exist yet can match.
  [[nodiscard]] bool takes_new() const;

private:
  [[nodiscard]] bool may_be_target(const ProcFs& proc, pid_t pid) const;
  void add_children(const ProcFs& proc, std::vector<pid_t>& pids) const;
  [[nodiscard]] bool matches_name(const ProcFs& proc, pid_t pid) const;
  [[nodiscard]] bool matches_cgroup(const ProcFs& proc, pid_t pid) const;

  std::vector<pid_t> pids_;
  std::vector<Pattern> names_;
  std::vector<CgroupSelector> cgroups_;
  std::vector<std::string> containers_; ///< whole ids
  bool all_ = false;
  bool children_ = false;
  pid_t self_ = 0;
  std::string own_program_;     ///< what /proc/PID/exe of other leakbpfs leads to; empty: unknown
  std::vector<pid_t> wrappers_; ///< the shell or sudo that leakbpf's own arguments stand in
};

/// The options of a request: "--name uvicorn, --cgroup /system.slice"; without its PIDs.
[[nodiscard]] std::string describe_selectors(const TargetRequest& request);

} // namespace leakbpf
