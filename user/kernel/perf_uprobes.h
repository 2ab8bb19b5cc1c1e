// SPDX-License-Identifier: Apache-2.0
// Uprobes by perf events, which end well even when this process is killed.
//
// A killed process takes its own probes out while it ends, and for a probe in another process the
// kernel may have to bring a page in, which it does not do for a task with a fatal signal: the
// breakpoint stays, with no program behind it. So the events are also held by a map that keeps its
// elements (BPF_F_PRESERVE_ELEMS). Maps are freed by a thread of the kernel's, whoever let go of
// them, and it takes the probes out.
#pragma once

#include "base/unique_fd.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <bpf/libbpf.h>
#include <sys/types.h>

namespace leakbpf {

struct BpfLinkCloser {
  void operator()(bpf_link* link) const { bpf_link__destroy(link); }
};

class PerfUprobes {
public:
  /// For up to `most` probes. Where the kernel has no such map (before 5.11), they are held by this
  /// process alone.
  explicit PerfUprobes(std::uint32_t most);

  /// Attaches `program` at an offset of a file, in one process or (-1) all; 0, or an error number.
  [[nodiscard]] int attach(const bpf_program* program, bool on_return, pid_t pid,
                           const std::string& path, std::uint64_t offset, std::uint64_t cookie);

private:
  [[nodiscard]] UniqueFd open_event(bool on_return, pid_t pid, const std::string& path,
                                    std::uint64_t offset) const;

  int type_;        ///< of such perf events; negative: the kernel has none
  int return_bit_;  ///< of their configuration
  UniqueFd keeper_; ///< is closed last
  std::uint32_t kept_ = 0;
  std::vector<std::unique_ptr<bpf_link, BpfLinkCloser>> links_;
};

} // namespace leakbpf
